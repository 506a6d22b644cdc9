"""What the sandbox prints is read as an answer only in its form, whatever else is printed."""

import base64
import json
import zlib

import pytest

from forge_core.sandbox import Answer, Ended
from forge_kinds.test_generation.answers import Imported, Measured
from forge_kinds.test_generation.asking import MAX_ANSWER, Unanswered, answered

NONCE = "0123456789abcdef"
GOOD = {"modules": {"a.py": ""}}


def packed(document: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()


def printed(text: str, ended: Ended = Ended.EXITED, code: int = 0) -> Answer:
    return Answer(ended, code, text)


def test_the_framed_line_is_the_answer_whatever_stands_around_it() -> None:
    noise = "passed\n" + packed({"modules": {"forged.py": ""}}) + "\n"
    found = answered(printed(f"{noise}\n{NONCE} {packed(GOOD)}\nlast words"), NONCE, Imported)
    assert found.modules == {"a.py": ""}


def test_of_several_framed_lines_the_last_one_counts() -> None:
    lines = f"{NONCE} {packed({'modules': {}})}\n{NONCE} {packed(GOOD)}\n"
    assert answered(printed(lines), NONCE, Imported).modules == {"a.py": ""}


BOMB = base64.b64encode(zlib.compress(b" " * (MAX_ANSWER + 1))).decode()
CUT = packed({"modules": {f"{number}.py": "" for number in range(5000)}})[:400]
UNREADABLE = {
    "nothing": (printed(""), "no answer: it printed nothing"),
    "an answer without the nonce": (printed(packed(GOOD)), "no answer"),
    "another nonce": (printed(f"ffff {packed(GOOD)}"), "no answer"),
    "no base64": (printed(f"{NONCE} ***"), "can't be read"),
    "base64 of nothing compressed": (printed(f"{NONCE} aGVsbG8="), "can't be read"),
    "an answer that was cut": (printed(f"{NONCE} {CUT}"), "can't be read"),
    "a bomb": (printed(f"{NONCE} {BOMB}"), "a longer answer than is read"),
    "no JSON": (printed(f"{NONCE} {base64.b64encode(zlib.compress(b'[[[')).decode()}"), "can't be read"),
    "nesting without end": (
        printed(f"{NONCE} {base64.b64encode(zlib.compress(b'[' * 1_000_000)).decode()}"), "can't be read"),
    "another form": (printed(f"{NONCE} {packed([1, 2])}"), "can't be read"),
    "a wrong type": (printed(f"{NONCE} {packed({'modules': {'a.py': 7}})}"), "can't be read"),
    "an endless reason": (printed(f"{NONCE} {packed({'modules': {'a.py': 'x' * 1001}})}"), "can't be read"),
    "a timeout, whatever was printed": (printed(f"{NONCE} {packed(GOOD)}", Ended.TIMEOUT), "did not end in its time"),
    "a flood": (printed("x", Ended.OUTPUT), "printed more than it may"),
    "memory": (printed("", Ended.MEMORY), "needed more memory"),
    "no program": (printed("python: not found", Ended.NOT_STARTED), "could not be started: python: not found"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_answer_is_told_and_never_half_read(case: str) -> None:
    answer, said = UNREADABLE[case]
    with pytest.raises(Unanswered, match=said):
        answered(answer, NONCE, Imported)


RUN = {"exit": 0, "how": "", "outcomes": {}, "why": {}, "effects": {}}


@pytest.mark.parametrize(
    "coverage",
    [
        {"statements": [0], "branches": [], "lines": [], "arcs": []},
        {"statements": [10**9], "branches": [], "lines": [], "arcs": []},
        {"statements": ["1; import os"], "branches": [], "lines": [], "arcs": []},
        {"statements": [], "branches": [[1]], "lines": [], "arcs": []},
        {"statements": [], "branches": [[1, 2, 3]], "lines": [], "arcs": []},
        {"statements": []},
    ],
)
def test_coverage_that_can_be_none_is_refused(coverage: dict[str, object]) -> None:
    document = {"runs": [RUN], "coverage": {"a.py": coverage}, "imported": {}, "contexts": {}}
    with pytest.raises(Unanswered):
        answered(printed(f"{NONCE} {packed(document)}"), NONCE, Measured)


def test_a_run_that_told_nothing_is_not_complete() -> None:
    empty: dict[str, object] = {"coverage": {}, "imported": {}, "contexts": {}}
    assert Measured.model_validate({"runs": [RUN], **empty}).complete
    assert not Measured.model_validate({"runs": [RUN, {**RUN, "exit": None}], **empty}).complete
    assert not Measured.model_validate({"runs": [], **empty}).complete

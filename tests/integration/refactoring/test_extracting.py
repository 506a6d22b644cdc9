"""extract: what is moved behaves as before, and what can't be proved is left with its reason."""

import ast
import contextlib
import io
import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from forge_kinds.refactoring.complexity import functions_of
from forge_kinds.refactoring.extracting import extracted
from tests.integration.refactoring.conftest import Refactor

HARD = b'''"""A module."""

import os


# stands over f
def f(items, limit):
    total = 0
    seen = []
    for item in items:
        if item > limit:
            if item % 2:
                total += item
            elif item % 3:
                total -= item
            else:
                # a comment inside
                seen.append(item)
    for item in seen:
        if item:
            for other in seen:
                if other > item and item:
                    total += other
    return total, os.sep
'''


def test_a_hard_function_is_split_until_it_is_under_the_limit(refactored: Refactor) -> None:
    done = refactored({b"a.py": HARD}, extract={"over": 12})
    assert all(each.complexity <= 12 for each in functions_of(done.now("a.py").decode()))
    assert done.summary["complexity"]["before"]["worst"]["function"] == "f"
    assert done.summary["complexity"]["after"]["worst"]["complexity"] <= 12
    [change] = {each["rule"] for each in done.listed["changes"]}
    assert change == "complexity-over-12"
    assert b"# a comment inside" in done.now("a.py")
    assert b"# stands over f\ndef f(items, limit):\n" in done.now("a.py")
    assert same(HARD.decode(), done.now("a.py").decode(), ([1, 2, 3, 4, 5, 6], 2))
    again = refactored({b"a.py": done.now("a.py")}, extract={"over": 12})
    assert again.patch == b""


def test_what_another_operation_made_movable_is_moved_in_the_same_job(refactored: Refactor) -> None:
    branches = "".join(f"    elif kind == {number}:\n        seen.append({number})\n" for number in range(8))
    text = f"def f(kind, seen):\n    if not seen:\n        return 0\n{branches}    return len(seen)\n"
    asked: dict[str, Any] = {"extract": {"over": 5}, "fix": ["RET505"]}
    done = refactored({b"a.py": text.encode()}, **asked)
    assert {each["operation"] for each in done.listed["changes"]} == {"fix", "extract"}
    assert same(text, done.now("a.py").decode(), (3, [1]))
    assert refactored({b"a.py": done.now("a.py")}, **asked).patch == b""


def test_methods_and_line_ends_are_kept(refactored: Refactor) -> None:
    method = (
        b"class A:\n"
        + textwrap.indent(HARD.decode().partition("# stands over f\n")[2], "    ")
        .replace("f(items", "f(self, items")
        .encode()
    )
    body = method.replace(b"os.sep", b"self").replace(b"\n", b"\r\n")
    done = refactored({b"a.py": body}, extract={"over": 12})
    assert b"def _f_part_1(" in done.now("a.py")
    assert b"\n" not in done.now("a.py").replace(b"\r\n", b"")


def outcome(text: str, *arguments: Any) -> tuple[Any, str]:
    """What the function f does: its result or exception, what it printed, and what became of its arguments."""
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(text, "generated", "exec"), names)
            result = repr(names["f"](*arguments))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
    return (result, repr(arguments)), printed.getvalue()


def same(before: str, after: str, arguments: tuple[Any, ...]) -> bool:
    """Whether both do the same."""
    one, other = ast.literal_eval(repr(arguments)), ast.literal_eval(repr(arguments))
    return outcome(before, *one) == outcome(after, *other)


NAMES = st.sampled_from(["a", "b", "c", "items", "x"])
VALUES = st.one_of(
    NAMES, st.sampled_from(["1", "len(items)", "[y for y in items if y]", "sum(z for z in items)", "a + b", "items[a]"])
)
SIMPLE = st.one_of(
    st.builds("{} = {}".format, NAMES, VALUES),
    st.builds("{} += {}".format, st.sampled_from(["a", "b", "c"]), VALUES),
    st.builds("print({})".format, VALUES),
    st.builds("items.append({})".format, st.sampled_from(["1", "a"])),
    st.builds("a, b = {}, {}".format, VALUES, VALUES),
    st.just("raise ValueError(a)"),
    st.just("import os as c"),
    st.just("x: int = 3"),
)
LEAVING = st.sampled_from(["return a", "break", "continue", "return", "pass"])


def blocks(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """A compound statement around the lines."""

    def headed(head: str, body: list[str], other: list[str], kind: int) -> list[str]:
        lines = [head, *(f"    {line}" for line in body)]
        if head.startswith("try"):
            return [
                *lines,
                "except Exception as error:",
                "    print('caught', error)",
                *(f"    {each}" for each in other),
            ]
        return [*lines, "else:", *(f"    {each}" for each in other)] if kind and not head.startswith("with") else lines

    heads = st.one_of(
        st.builds("if {} == {}:".format, VALUES, VALUES),
        st.builds("for {} in items[:3]:".format, NAMES),
        st.just("for x in (1, 2):"),
        st.just("try:"),
    )
    return st.builds(headed, heads, inner, inner, st.integers(0, 1))


def sequence(parts: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    return st.lists(parts, min_size=1, max_size=4).map(lambda lists: [line for each in lists for line in each])


BODIES = sequence(
    st.recursive(
        st.one_of(SIMPLE, SIMPLE, SIMPLE, SIMPLE, LEAVING).map(lambda line: [line]),
        lambda inner: st.one_of(sequence(inner), blocks(sequence(inner))),
        max_leaves=20,
    )
)
ARGUMENTS = st.tuples(st.integers(-2, 3), st.integers(-2, 3), st.lists(st.integers(-2, 3), max_size=4))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(BODIES, ARGUMENTS)
def test_whatever_is_extracted_behaves_as_before(body: list[str], arguments: tuple[Any, ...]) -> None:
    text = "def f(a, b, items):\n" + "".join(f"    {line}\n" for line in body) + "    return a, b, items\n"
    try:
        compile(text, "generated", "exec")
    except SyntaxError:
        return
    after = extracted(text, 3)
    event("extracted" if after.made else "left")
    assert same(text, after.text, arguments), after.text
    assert extracted(after.text, 3).text == after.text


KEPT: dict[str, tuple[str, str]] = {
    "a closure": ("g = lambda: total\n", "functions or classes of its own"),
    "a lazy generator": ("g = (total for _ in items)\n", "a generator that may be read later"),
    "a global": ("global limit_\n", "global or nonlocal"),
    "locals": ("print(locals())\n", "uses locals"),
    "eval": ("eval('total')\n", "uses eval"),
    "super": ("super()\n", "uses super"),
    "a deletion": ("del seen\n", "deletes names"),
    "a frame": ("import sys\n    sys._getframe()\n", "uses _getframe"),
    "a stack level": ("import warnings\n    warnings.warn('x', stacklevel=2)\n", "uses warn"),
    "a match": ("match total:\n        case 1:\n            pass\n", "of the kind Match"),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_function_that_cannot_be_proved_is_left_with_its_reason(case: str) -> None:
    line, said = KEPT[case]
    text = HARD.decode().replace("    seen = []\n", f"    seen = []\n    {line}")
    done = extracted(text, 5)
    assert done.text == text
    [left] = done.left
    assert said in left.reason
    assert left.function == "f"


def test_nothing_is_moved_out_of_a_try_that_could_see_it_half_done() -> None:
    text = """def f(items):
    a = 0
    try:
        if items:
            for item in items:
                if item:
                    a += 1
                    if a > 2:
                        items[100]
    except IndexError:
        return a
    return -a
"""
    done = extracted(text, 2)
    assert same(text, done.text, ([1, 1, 1, 1],))
    assert done.text == text or "a = _f_part" not in done.text.split("try:")[1]

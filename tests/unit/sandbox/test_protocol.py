"""Orders and answers: read back as they were sent; what is none of them is a Misfit and nothing else."""

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.sandbox import MAX_MESSAGE, Answer, Bounds, Ended, Misfit, Order, address, new_archive, receive, send
from forge_sandbox.running import Output, memory_watch

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(TEXT, min_size=1, max_size=10), st.dictionaries(st.from_regex(r"[A-Z_]{1,20}", fullmatch=True), TEXT))
def test_an_order_is_read_as_it_was_sent(argv: list[str], environment: dict[str, str]) -> None:
    order = Order(tuple(argv), environment, (new_archive(), "0" * 64), Bounds(seconds=1.5, kept=100))
    assert Order.decode(order.encode()) == order


@given(st.sampled_from(Ended), st.integers(-64, 255), st.text(max_size=100))
def test_an_answer_is_read_as_it_was_sent(ended: Ended, code: int, output: str) -> None:
    answer = Answer(ended, code, output)
    assert Answer.decode(answer.encode()) == answer


@given(st.binary(max_size=200) | JSON.map(lambda found: json.dumps(found).encode()))
def test_whatever_comes_is_read_or_a_misfit(message: bytes) -> None:
    for kind in (Order, Answer):
        with suppress(Misfit):
            kind.decode(message)


GOOD: dict[str, Any] = json.loads(Order(("ls",)).encode())
BAD: dict[str, dict[str, Any]] = {
    "no command": {"argv": []},
    "a command that is no text": {"argv": [1]},
    "NUL in a command": {"argv": ["a\0"]},
    "a long argument": {"argv": ["x" * 5000]},
    "many arguments": {"argv": ["x"] * 300},
    "a variable with an equals sign": {"environment": {"A=B": "x"}},
    "many variables": {"environment": {f"A{n}": "" for n in range(60)}},
    "an archive elsewhere": {"archive": ["../../etc/passwd", "0" * 64]},
    "an archive without a digest": {"archive": ["tree-" + "0" * 32, ""]},
    "no time": {"bounds": {"seconds": 0}},
    "time for ever": {"bounds": {"seconds": 1e9}},
    "no processes": {"bounds": {"processes": 0}},
    "all output": {"bounds": {"kept": 2**40}},
    "a bound that isn't there": {"bounds": {"root": True}},
    "words for numbers": {"bounds": {"data": "much"}},
}


@pytest.mark.parametrize("case", BAD)
def test_an_order_out_of_bounds_is_a_misfit(case: str) -> None:
    with pytest.raises(Misfit):
        Order.decode(json.dumps({**GOOD, **BAD[case]}).encode())


def test_messages_keep_their_borders_and_a_long_one_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, b"one")
        send(ours, b"")
        assert (receive(theirs), receive(theirs)) == (b"one", b"")
        ours.sendall((MAX_MESSAGE + 1).to_bytes(4, "big"))
        with pytest.raises(Misfit):
            receive(theirs)
        ours.close()
        assert receive(theirs) is None


def test_each_volume_has_an_address_that_a_socket_takes() -> None:
    names = {address(Path("/sandbox")), address(Path("/" + "x" * 4000))}
    assert len(names) == 2
    assert all(name.startswith("\0") and len(name) < 108 for name in names)


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(8, 400))
def test_output_keeps_its_beginning_and_its_end(chunks: list[bytes], kept: int) -> None:
    output, whole = Output(kept), b"".join(chunks)
    for chunk in chunks:
        output.add(chunk)
    assert output.total == len(whole)
    if len(whole) <= kept:
        assert output.text() == whole.decode(errors="replace")
    else:
        assert f"[{len(whole) - kept:,} bytes left out]" in output.text()


def test_memory_is_watched_where_the_kernel_tells_of_it(tmp_path: Path) -> None:
    assert memory_watch(tmp_path)() is False
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\nfile 5000\nshmem 300\n")
    crowded = memory_watch(tmp_path)
    assert crowded() is False
    (tmp_path / "memory.stat").write_text("anon 500\nfile 5000\nshmem 450\n")
    assert crowded() is True
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_watch(tmp_path)() is False

"""Lines from a kind's process, friendly and hostile."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.exits import FailureClass
from forge_core.messages import MAX_LINE
from forge_runner.pipe import (
    MAX_ACCOUNT,
    MAX_MESSAGE,
    MAX_PIPE_LINE,
    Failed,
    Finished,
    Logged,
    Progressed,
    decode_line,
    encode_line,
)


def test_each_message_is_read_as_it_was_written() -> None:
    progress = {"type": "progress", "stage": "cloning", "percent": 7.5, "message": "half"}
    assert decode_line(encode_line(dict(progress))) == Progressed(stage="cloning", percent=7.5, message="half")
    assert decode_line(encode_line({"type": "log", "line": "a\nb"})) == Logged(line="a\nb")
    assert decode_line(encode_line({"type": "finished"})) == Finished()
    failed = {"type": "failed", "failure_class": "permanent", "message": "No."}
    assert decode_line(encode_line(dict(failed))) == Failed(failure_class=FailureClass.PERMANENT, message="No.")


def test_a_failure_may_tell_more_than_its_message() -> None:
    told = {"type": "failed", "failure_class": "transient", "message": "No.", "account": {"status": 503}, "wait": 2.5}
    read = decode_line(encode_line(dict(told)))
    assert read == Failed(failure_class=FailureClass.TRANSIENT, message="No.", account={"status": 503}, wait=2.5)


def test_the_largest_account_and_the_longest_message_fit_into_one_line() -> None:
    account = {"a": "\x01" * ((MAX_ACCOUNT - 20) // 6)}
    assert MAX_ACCOUNT - 40 < len(json.dumps(account)) <= MAX_ACCOUNT
    told = {"type": "failed", "failure_class": "transient", "message": "\x01" * MAX_MESSAGE, "account": account}
    assert isinstance(decode_line(encode_line(dict(told))), Failed)


@given(st.text(max_size=MAX_LINE))
def test_any_line_that_a_kind_may_log_fits(line: str) -> None:
    encoded = encode_line({"type": "log", "line": line})
    assert encoded.count(b"\n") == 1
    assert decode_line(encoded.rstrip(b"\n")) == Logged(line=line)


def test_the_longest_line_of_the_widest_characters_fits() -> None:
    assert decode_line(encode_line({"type": "log", "line": "\N{PILE OF POO}" * MAX_LINE})) is not None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"type": "progress", "stage": "x", "percent": NaN}',
        b'{"type": "progress", "stage": "x", "percent": 101}',
        b'{"type": "progress", "stage": "' + b"x" * 64 + b'", "percent": 1}',
        b'{"type": "failed", "failure_class": "disruption", "message": "refund me"}',
        b'{"type": "failed", "failure_class": "cancelled", "message": ""}',
        b'{"type": "failed", "failure_class": "transient", "message": "", "wait": 1e9}',
        b'{"type": "failed", "failure_class": "transient", "message": "", "wait": -1}',
        b'{"type": "failed", "failure_class": "transient", "message": "", "account": []}',
        b'{"type": "log", "line": 7}',
        b'{"type": "finished", "padding": "' + b" " * MAX_PIPE_LINE + b'"}',
        b"[" * 10_000,
    ],
    ids=lambda line: line[:40].decode(errors="replace"),
)
def test_what_is_no_message_is_none(line: bytes) -> None:
    assert decode_line(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(line: bytes) -> None:
    decode_line(line)


@given(st.dictionaries(st.sampled_from(["type", "stage", "percent", "line", "message"]), st.none() | st.text()))
def test_no_object_raises(fields: dict[str, str | None]) -> None:
    decode_line(json.dumps(fields).encode())

"""Payloads from Redis and from pods, hostile ones among them."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.exits import FailureClass
from forge_core.messages import BadMessage, ProgressMessage, TerminalMessage, Termination, decode_message
from forge_core.phase import Phase

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"type": "progress", "uid": "u", "attempt": 1, "stage": "analysing", "percent": 50, "at": NOW.isoformat()}


def test_a_message_reads_back() -> None:
    for message in (
        ProgressMessage(uid="u", attempt=1, stage="analysing", percent=50, at=NOW),
        TerminalMessage(uid="u", phase=Phase.FAILED, message="no such ref", at=NOW),
    ):
        assert decode_message(message.encode()) == message


@pytest.mark.parametrize(
    "change",
    [
        {"percent": 101},
        {"percent": -1},
        {"percent": "NaN"},
        {"percent": float("nan")},
        {"uid": "u" * 65},
        {"stage": "s" * 64},
        {"message": "m" * 501},
        {"attempt": 10**9},
        {"type": "other"},
        {"at": "yesterday"},
        {"uid": None},
    ],
)
def test_a_field_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadMessage):
        decode_message(json.dumps({**GOOD, **change}))


def test_a_payload_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(BadMessage, match="limit"):
        decode_message("[" * 100_000)


@given(st.one_of(st.binary(max_size=500), st.text(max_size=500)))
def test_no_payload_does_more_than_be_refused(payload: bytes | str) -> None:
    with pytest.raises(BadMessage):
        decode_message(payload)


def test_an_unknown_field_is_ignored() -> None:
    assert isinstance(decode_message(json.dumps({**GOOD, "later": 1})), ProgressMessage)


def test_last_words_read_back() -> None:
    words = Termination(attempt=2, failure_class=FailureClass.TRANSIENT, message="host away", stage="cloning")
    assert Termination.decode(words.encode()) == words


@pytest.mark.parametrize(
    "text", ["", "Killed", "{}x", "[1]", "x" * 5000, '{"attempt": -1}', '{"failure_class": "new"}']
)
def test_last_words_that_are_not_ours_are_none(text: str) -> None:
    assert Termination.decode(text) is None

"""Durations and timestamps."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.durations import format_duration, parse_duration, parse_timestamp, timestamp


@pytest.mark.parametrize(
    ("text", "seconds"), [("2s", 2), ("15m", 900), ("1h30m", 5400), ("500ms", 0.5), ("0s", 0), ("24h", 86400)]
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-1s", "1.5h", "1d", "15m ", "9" * 100 + "s", "1s" * 9, "1s\n"])
def test_what_is_not_a_duration_is_refused_with_the_form_to_use(text: str) -> None:
    with pytest.raises(ValueError, match="15m"):
        parse_duration(text)


@given(st.integers(0, 10**6))
def test_a_formatted_duration_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_a_timestamp_reads_back_to_the_second(moment: datetime) -> None:
    assert parse_timestamp(timestamp(moment)) == moment.replace(microsecond=0)


def test_a_timestamp_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        parse_timestamp("2026-11-24T06:00:00")

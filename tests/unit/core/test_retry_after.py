"""What a header Retry-After asks for is understood and bounded, whatever it says."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.retry_after import LONGEST, asked_for

NOW = datetime(2026, 3, 1, 12, 0, 0, 700_000, UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0), ("", 0), ("0", 0), ("120", 120), ("  7 ", 7), ("99999999999999999999", LONGEST), ("-5", 0),
        ("1.5", 0), ("soon", 0), ("x" * 10_000, 0), ("\u0661", 0), ("\u00b2", 0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 59.3), ("Sun, 01 Mar 2020 12:01:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST), ("Sun, 99 Xxx 2026 99:99:99 GMT", 0),
    ],
)  # fmt: skip
def test_it_is_a_number_or_a_date_and_anything_else_is_nothing(header: str | None, seconds: float) -> None:
    assert asked_for(header, NOW) == pytest.approx(seconds)


@given(st.text(max_size=100))
def test_no_header_breaks_the_reading_of_it(header: str) -> None:
    assert 0 <= asked_for(header, NOW) <= LONGEST

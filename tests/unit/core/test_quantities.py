"""Amounts of CPU and memory as Kubernetes writes them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.quantities import format_cores, format_memory, mebibytes, millicores, parse_quantity


@pytest.mark.parametrize(
    ("text", "millis"),
    [("1", 1000), ("250m", 250), ("0.1", 100), ("1.5", 1500), ("100u", 1), ("1n", 1), ("2e3m", None), ("1e3", 1000000),
     ("2k", 2000000), ("0", 0), (".5", 500), ("3.", 3000)],
)  # fmt: skip
def test_cores_are_counted_in_thousandths_rounded_up(text: str, millis: int | None) -> None:
    if millis is None:
        with pytest.raises(ValueError, match="not an amount"):
            millicores(text)
    else:
        assert millicores(text) == millis


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512Mi", 512), ("4Gi", 4096), ("1", 1), ("1G", 954), ("1048577", 2), ("4194304Ki", 4096), ("1Ti", 2**20)],
)
def test_memory_is_counted_in_mebibytes_rounded_up(text: str, mib: int) -> None:
    assert mebibytes(text) == mib


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "-1", "1KI", "1mi", "NaN", "1e999", "٣", "9" * 50, "1Gi\n", "0x10"])
def test_what_is_no_amount_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse_quantity(text)


@given(st.text(max_size=60))
def test_no_text_does_anything_else_than_be_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_quantity(text) >= 0


def test_amounts_are_shown_for_a_person() -> None:
    shown = [format_cores(4000), format_cores(250), format_memory(512), format_memory(1536), format_memory(4096)]
    assert shown == ["4 CPU", "0.25 CPU", "512 MiB", "1.5 GiB", "4 GiB"]

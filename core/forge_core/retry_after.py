"""What the header Retry-After asks for, whoever sent it (RFC 9110, 10.2.3: a number or a date)."""

from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 3600.0
"""Seconds; whoever asks for more is asked again after that."""
_MAX_LENGTH: Final = 64


def asked_for(header: str | None, now: datetime) -> float:
    """Seconds, at most LONGEST; 0 when there is no header or it says none."""
    text = (header or "").strip()[:_MAX_LENGTH]
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    if not text:
        return 0.0
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a delivery's pod rarely needs it

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST)

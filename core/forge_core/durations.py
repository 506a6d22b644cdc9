"""Durations as Kubernetes and Go write them (`1h30m`, `2s`, `500ms`), in seconds."""

import re
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d+)(ms|s|m|h)")
PATTERN: Final = r"^([0-9]{1,6}(ms|s|m|h)){1,4}$"


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `15m`. Raises ValueError that names the text and the form it should have."""
    if not re.fullmatch(PATTERN[1:-1], text):
        raise ValueError(f"{text[:40]!r} is not a duration: write for example 30s, 15m or 1h30m")
    return sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest such text for a number of seconds, rounded to whole seconds: 900 -> `15m`."""
    left = round(seconds)
    parts = []
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """The moment that an RFC 3339 text names. Raises ValueError when it names none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone")
    return moment

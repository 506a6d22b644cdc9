"""Reading raw Kubernetes objects without trusting them: what is missing or odd reads as nothing, and never raises.

What is read is kept for as long as its object is, ten thousand times over, so equal words and times are one object.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from forge_core.durations import parse_timestamp
from forge_core.quantities import mebibytes, millicores

MAX_TEXT: Final = 1024
"""Characters kept of any sentence that somebody else wrote."""
MAX_WORD: Final = 64
"""Characters up to which a text is a word that others may share: a name, a UID, a reason."""
MAX_AMOUNT: Final = 2**40


def part(raw: object, *path: str) -> dict[str, Any]:
    """The mapping at `path`, {} when there is none."""
    found = _at(raw, path)
    return found if isinstance(found, dict) else {}


def items(raw: object, *path: str) -> Iterator[dict[str, Any]]:
    """The mappings in the list at `path`."""
    found = _at(raw, path)
    if isinstance(found, list):
        yield from (item for item in found if isinstance(item, dict))


def text(raw: object, *path: str, limit: int = MAX_TEXT) -> str:
    """The text at `path`, "" when there is none, cut to `limit` characters."""
    found = _at(raw, path)
    if not isinstance(found, str):
        return ""
    return sys.intern(found) if len(found) <= min(limit, MAX_WORD) and type(found) is str else found[:limit]


def _at(found: object, path: tuple[str, ...]) -> object:
    """The value at `path`, None when there is none. A plain loop: asked dozens of times for each event."""
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def whole(raw: object, *path: str, default: int = 0) -> int:
    """The whole number at `path`, written as a number or as text (resourceVersions are text)."""
    found = _at(raw, path)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def amount(raw: object, resource: str) -> int:
    """The amount of `cpu` (in millicores) or `memory` (in MiB) in a mapping of requests, 0 when there is none."""
    found = part(raw).get(resource)
    written = str(found) if isinstance(found, int | float | str) and not isinstance(found, bool) else ""
    try:
        return min((millicores if resource == "cpu" else mebibytes)(written), MAX_AMOUNT)
    except ValueError:
        return 0


def truth(raw: object, *path: str) -> bool:
    """Whether the value at `path` is true."""
    return _at(raw, path) is True


def moment(raw: object, *path: str) -> datetime | None:
    """The time at `path` in UTC, None when there is none."""
    found = text(raw, *path)
    return _moment(found) if 0 < len(found) <= MAX_WORD else None


@lru_cache(maxsize=8192)
def _moment(found: str) -> datetime | None:
    try:
        return parse_timestamp(found).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def texts(raw: object, *path: str) -> dict[str, str]:
    """The entries of the mapping at `path` whose values are texts, such as labels."""
    return {key: value for key, value in part(raw, *path).items() if isinstance(value, str)}

"""Reading raw Kubernetes objects without trusting them: what is missing or odd reads as nothing, and never raises."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from forge_core.durations import parse_timestamp
from forge_core.quantities import mebibytes, millicores

MAX_TEXT: Final = 1024
"""Characters kept of any sentence that somebody else wrote."""
MAX_AMOUNT: Final = 2**40


def part(raw: object, *path: str) -> dict[str, Any]:
    """The mapping at `path`, {} when there is none."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def items(raw: object, *path: str) -> Iterator[dict[str, Any]]:
    """The mappings in the list at `path`."""
    found = part(raw, *path[:-1]).get(path[-1])
    if isinstance(found, list):
        yield from (item for item in found if isinstance(item, dict))


def text(raw: object, *path: str, limit: int = MAX_TEXT) -> str:
    """The text at `path`, "" when there is none, cut to `limit` characters."""
    found = part(raw, *path[:-1]).get(path[-1])
    return found[:limit] if isinstance(found, str) else ""


def whole(raw: object, *path: str, default: int = 0) -> int:
    """The whole number at `path`, written as a number or as text (resourceVersions are text)."""
    found = part(raw, *path[:-1]).get(path[-1])
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
    return part(raw, *path[:-1]).get(path[-1]) is True


def moment(raw: object, *path: str) -> datetime | None:
    """The time at `path` in UTC, None when there is none."""
    found = text(raw, *path)
    if not found:
        return None
    try:
        return parse_timestamp(found).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def texts(raw: object, *path: str) -> dict[str, str]:
    """The entries of the mapping at `path` whose values are texts, such as labels."""
    return {key: value for key, value in part(raw, *path).items() if isinstance(value, str)}

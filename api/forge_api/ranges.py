"""Which part of a body a client asked for (RFC 9110, 14): one range of bytes, or the whole.

Several ranges in one header are answered with the whole, as the RFC allows: their answer would be a document of its own
kind, and a few bytes of header could ask for a body many times over (ADR 0020).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ONE: Final = re.compile(
    r"bytes[ \t]*=[ \t]*(?:(?P<first>[0-9]+)-(?P<last>[0-9]*)|-(?P<suffix>[0-9]+))[ \t]*", re.I | re.A
)
_DIGITS: Final = 18
"""No body is as long as a number of more digits says."""


class Unsatisfiable(ValueError):
    """The range begins behind the body's end, or holds nothing."""


@dataclass(frozen=True)
class Part:
    """Bytes `first` to `last` of a body, both included, counted from 0."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many bytes that are."""
        return self.last - self.first + 1


def part_of(headers: Mapping[str, str], size: int, etag: str) -> Part | None:
    """What the headers (names in lower case) ask for of a body of `size` bytes; None is the whole.

    `If-Range` counts only when it is `etag` to the letter: a weak one, a date or another's means that the client holds
    something else, and gets the whole. Raises Unsatisfiable.
    """
    asked = _ONE.fullmatch(headers.get("range", ""))
    if asked is None or headers.get("if-range", etag).strip() != etag:
        return None
    if asked["suffix"] is not None:
        return _suffix(_number(asked["suffix"]), size)
    first = _number(asked["first"])
    last = _number(asked["last"]) if asked["last"] else size
    if last < first and asked["last"]:
        return None  # no range at all, so the header is passed over
    if first >= size:
        raise Unsatisfiable(f"The body has {size} bytes: ask for a range that begins before its end.")
    return Part(first, min(last, size - 1))


def _suffix(length: int, size: int) -> Part | None:
    if length == 0:
        raise Unsatisfiable("A range of the last 0 bytes holds nothing: ask for at least one.")
    return Part(max(size - length, 0), size - 1) if size else None


def _number(digits: str) -> int:
    return int(digits) if len(digits.lstrip("0")) <= _DIGITS else 10**_DIGITS

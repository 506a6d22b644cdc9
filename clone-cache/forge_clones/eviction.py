"""Which mirrors go: pure decisions over what is held. None that is in use is ever among them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """One mirror: its size in bytes and when it was last used (seconds since the epoch)."""

    key: str
    size: int
    used_at: float
    in_use: bool = False
    """It is being fetched or read, or a pod was just told that it may."""


@dataclass(frozen=True)
class Rule:
    """How long a mirror may be unused, in seconds, and how many bytes all may take."""

    unused_for: float
    max_bytes: int


def evicted(held: Iterable[Held], rule: Rule, now: float) -> list[Held]:
    """Those unused for too long, then the least recently used until the rest is small enough."""
    mirrors = list(held)
    old = {each.key for each in mirrors if not each.in_use and now - each.used_at >= rule.unused_for}
    rest = [each for each in mirrors if each.key not in old]
    excess = sum(each.size for each in rest) - rule.max_bytes
    return _oldest_first(each for each in mirrors if each.key in old) + making_room(rest, excess)


def making_room(held: Iterable[Held], wanted: int) -> list[Held]:
    """The least recently used ones that together free `wanted` bytes; all that are idle when that is less."""
    gone: list[Held] = []
    for each in _oldest_first(each for each in held if not each.in_use):
        if wanted <= 0:
            break
        gone.append(each)
        wanted -= each.size
    return gone


def _oldest_first(held: Iterable[Held]) -> list[Held]:
    return sorted(held, key=lambda each: (each.used_at, each.key))

"""Finds, of changes that fail together, those that hold together, with few trials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

U = TypeVar("U")


@dataclass
class Found(Generic[U]):
    """What holds together, tried as it stands; and the others, each with what spoke against it."""

    kept: list[U] = field(default_factory=list)
    dropped: list[tuple[U, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Search(Generic[U]):
    """How changes are tried."""

    objection: Callable[[Sequence[U]], str]
    """Tries changes together and says what speaks against them, "" when nothing does."""
    spent: Callable[[], str]
    """Why no further trial is to be made, "" while one is."""
    settled: Callable[[int], None] = lambda _count: None
    """Hears of how many more it is known whether they are kept."""

    def run(self, units: Sequence[U], known: str = "") -> Found[U]:
        """Halves what fails until each culprit is alone. What is kept has been tried together, at the last success.

        `known` is what speaks against all of them together, where that was tried before.
        """
        found: Found[U] = Found()
        if units:
            self._settle(found, units, known)
        return found

    def _settle(self, found: Found[U], part: Sequence[U], known: str) -> bool:
        """Whether all of `part` holds with what is kept. `known`: what speaks against it, from an earlier trial."""
        why = known
        if not why:
            if reason := self.spent():
                found.dropped += [(unit, reason) for unit in part]
                self.settled(len(part))
                return False
            why = self.objection([*found.kept, *part])
        if not why:
            found.kept += part
            self.settled(len(part))
            return True
        if len(part) == 1:
            found.dropped.append((part[0], why))
            self.settled(1)
            return False
        middle = len(part) // 2
        left_holds = self._settle(found, part[:middle], "")
        self._settle(found, part[middle:], why if left_holds else "")
        return False

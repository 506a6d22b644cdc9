"""How long who failed rests: twice as long after each failure in a row, up to a longest pause. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

_DOUBLINGS: Final = 30
"""No number of failures makes a number that can't be computed."""


@dataclass(frozen=True)
class Pauses:
    """Seconds: `first` after the first failure, never more than `longest`."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """Seconds to rest after so many failures in a row; none after none."""
        return min(self.first * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest) if failures > 0 else 0.0

    def __iter__(self) -> Iterator[float]:
        """The pauses one after another, from the first, without an end."""
        return map(self.after, count(1))

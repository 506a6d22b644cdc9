"""How the time of one job is shared out: among measuring, the targets, and the verification that must come last."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MEASURING_SHARE: Final = 0.3
"""Of the budget, at most, for the repository's own tests."""
SHORTEST: Final = 15.0
"""Seconds of a target that is worth beginning."""
LONGEST: Final = 90.0
OVERHEAD: Final = 30.0
"""Seconds of the attempt that are left for the patch and the upload."""
RUNS: Final = 3
"""Of the tests, in the verification."""
_VERIFYING: Final = 20.0
_SEARCH_SHARE: Final = 0.4


@dataclass(frozen=True)
class Budget:
    """From now on. `now` is a monotonic clock."""

    seconds: float
    began: float
    now: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, budget: float, timeout: float, began: float) -> "Budget":
        """What the job asks for, bounded by what the attempt has."""
        return cls(max(1.0, min(budget, timeout - OVERHEAD)), began)

    @property
    def left(self) -> float:
        """Seconds."""
        return self.began + self.seconds - self.now()

    def measuring(self) -> float:
        """Seconds for the first run of the repository's own tests."""
        return max(1.0, min(self.seconds * MEASURING_SHARE, self.left))

    def share(self, targets: int, own_tests: float) -> float:
        """Seconds for the next of so many targets; 0 when no further one is worth beginning.

        `own_tests` is how long the repository's own tests took, which the verification runs again.
        """
        left = self.left - self.reserve(own_tests)
        if left < SHORTEST:
            return 0.0
        return min(LONGEST, max(SHORTEST, left / targets))

    def reserve(self, own_tests: float) -> float:
        """Seconds for the verification: its runs of everything if they fit into a third of the budget, else one."""
        everything = RUNS * own_tests + _VERIFYING
        return everything if everything <= self.seconds * MEASURING_SHARE else own_tests + 2 * _VERIFYING

    def together(self, own_tests: float) -> int:
        """How often the repository's own tests are run with the new ones: each time, or once."""
        return RUNS if RUNS * own_tests + _VERIFYING <= max(self.left, 0.0) else 1

    def at_most(self, share: float, own_tests: float) -> float:
        """Seconds after which a target is given up: beyond its share, for on a busy machine all but the search is slow,
        and what was found would be lost."""
        return max(1.0, min(4 * share + 60.0, self.left - self.reserve(own_tests)))

    @staticmethod
    def search(share: float) -> int:
        """Whole seconds of a share in which inputs are searched for; the rest is for starting and judging."""
        return max(3, round(share * _SEARCH_SHARE))

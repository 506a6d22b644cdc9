"""Who failed rests for a growing while, and nobody else does: pure, time passed in."""

from dataclasses import dataclass
from typing import Final

from forge_core.pauses import Pauses

KEPT: Final = 1000
FORGET_SECONDS: Final = 120.0
"""Over KEPT, who hasn't been tried for so long after its rest is forgotten: it may never be tried again."""


@dataclass(frozen=True)
class _Rest:
    until: float
    times: int


class Rests:
    """By key; `now` is monotonic seconds."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._rests: dict[str, _Rest] = {}

    def failed(self, key: str, now: float, at_least: float = 0.0) -> float:
        """It failed once more; answers for how many seconds it rests (`at_least` is what the other side asked for)."""
        times = self.times(key) + 1
        pause = max(self._pauses.after(times), at_least)
        self._rests[key] = _Rest(now + pause, times)
        if len(self._rests) > KEPT:
            self._rests = {key: rest for key, rest in self._rests.items() if rest.until + FORGET_SECONDS > now}
        return pause

    def worked(self, key: str) -> bool:
        """It did; answers whether it had failed before."""
        return self._rests.pop(key, None) is not None

    def resting(self, key: str, now: float) -> bool:
        """Whether it isn't to be tried yet."""
        rest = self._rests.get(key)
        return rest is not None and now < rest.until

    def left(self, key: str, now: float) -> float:
        """Seconds that it still rests."""
        rest = self._rests.get(key)
        return max(rest.until - now, 0.0) if rest else 0.0

    def times(self, key: str) -> int:
        """Failures in a row."""
        rest = self._rests.get(key)
        return rest.times if rest else 0

"""`estimatedDuration`: ADR-006's constant until a queue has a history, then what its jobs took lately.

An estimate never fails a submission, and is asked of PostgreSQL once in a while only.
"""

import math
import time
from typing import Final

from forge_core.history.database import HistoryUnavailable
from forge_core.history.estimates import Estimates

ADR_SECONDS: Final = 300
KEPT_SECONDS: Final = 15.0


class Estimating:
    """Whole seconds by queue."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._kept: dict[str, tuple[float, int]] = {}

    async def seconds(self, queue: str) -> int:
        """From submission to end: four in five of the queue's last jobs took no longer."""
        now = time.monotonic()
        if queue in self._kept and now - self._kept[queue][0] < KEPT_SECONDS:
            return self._kept[queue][1]
        try:
            taken = await self._estimates.taken(queue)
        except HistoryUnavailable:
            return self._kept[queue][1] if queue in self._kept else ADR_SECONDS
        seconds = max(math.ceil(taken.seconds), 1) if taken else ADR_SECONDS
        self._kept[queue] = (now, seconds)
        return seconds

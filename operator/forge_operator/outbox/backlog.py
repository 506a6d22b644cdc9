"""How far the outbox is behind, measured where it lies."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from forge_core.history.database import HistoryUnavailable
from forge_core.history.outbox import Backlog, Channel, Outbox
from forge_operator.metrics import Metrics

LOOK_SECONDS: Final = 5.0


class Backlogs:
    """Measures every few seconds while `leads()`; a standby shows zeros, so that sums over replicas are true."""

    def __init__(self, outbox: Outbox, metrics: Metrics, leads: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._leads = leads
        self._known = dict.fromkeys(Channel, Backlog(0, 0.0))
        self._at = time.monotonic()

    async def keep(self) -> None:
        """For ever; while PostgreSQL is away, what waited last grows older."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Measure once."""
        now = time.monotonic()
        try:
            self._known = await self._outbox.backlog() if self._leads() else dict.fromkeys(Channel, Backlog(0, 0.0))
        except HistoryUnavailable:
            passed = now - self._at
            self._known = {
                channel: replace(known, age=known.age + passed if known.waiting else 0.0)
                for channel, known in self._known.items()
            }
        self._at = now
        for channel, known in self._known.items():
            self._metrics.outbox_backlog.labels(channel).set(known.waiting)
            self._metrics.outbox_lag.labels(channel).set(known.age)
        self._metrics.alerts_given_up.set(self._known[Channel.ALERTS].given_up)

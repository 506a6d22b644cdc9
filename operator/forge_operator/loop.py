"""The loop: when something changed, or each second, decide over the whole picture and hand on what is to be done."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from forge_core import logs
from forge_operator.actions import CreateJob
from forge_operator.admission.admitting import Admission
from forge_operator.apply.applier import Applier
from forge_operator.decide import decision
from forge_operator.lease import Lease
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink

TICK_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.02
"""Events come in bursts: a moment's rest after a decision makes one of many. The first of them isn't kept waiting."""

Saw = Callable[[Sequence[Admission], datetime], None]
"""Told the rounds of each decision."""

_log = logs.get_logger(__name__)


class Loop:
    """Decides while the Lease is held; a standby only goes round."""

    def __init__(self, sink: Sink, applier: Applier, lease: Lease, metrics: Metrics, saw: Saw) -> None:
        self._sink = sink
        self._applier = applier
        self._lease = lease
        self._metrics = metrics
        self._saw = saw
        self._last = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since it last came round."""
        return time.monotonic() - self._last

    async def keep(self) -> None:
        """For ever. A decision that raises is logged and tried again: it must not end the operator."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._sink.dirty.wait()
            self._sink.dirty.clear()
            took = self.once()
            # Never more than a third of the time on deciding, or the watches would starve.
            await asyncio.sleep(max(GATHER_SECONDS, 2 * took))

    def once(self) -> float:
        """Go round once; answers the seconds that the decision took."""
        began, since = time.monotonic(), self._sink.heed()
        leading = self._lease.held
        if leading:
            try:
                self._decide(since)
                self._last = time.monotonic()
            except Exception:
                _log.exception("the decision failed")
        else:
            self._last = time.monotonic()
        took = time.monotonic() - began
        if leading:
            self._metrics.decide.observe(took)
        return took

    def _decide(self, since: float) -> None:
        now = datetime.now(UTC)
        made = decision(self._sink.picture, now)
        self._sink.picture.attention.take(made.looks)
        starting = [action.uid for action in made.actions if isinstance(action, CreateJob)]
        cut = any(admission.full for admission in made.rounds)
        self._metrics.latency.decided(starting, since, self._sink.picture.holds, cut)
        self._applier.offer(made.actions)
        self._saw(made.rounds, now)
        if made.more:
            self._sink.dirty.set()

"""Events go from the outbox to their tenants' Redis streams, at least once and in order within a job.

Each tenant is published on its own, so one whose stream can't be written (its node of a Redis Cluster is away, somebody
put another type under its key) holds up nobody else. Nothing is kept in memory that matters: what isn't marked in
PostgreSQL is published, again if need be.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol
from uuid import UUID

from forge_core import logs
from forge_core.history.database import HistoryUnavailable
from forge_core.history.outbox import Channel, Event
from forge_core.messages import ProgressUnavailable
from forge_core.pauses import Pauses
from forge_core.progress import EVENTS_LENGTH, StreamEvent
from forge_operator.metrics import Metrics
from forge_operator.rests import Rests

LOOK_SECONDS: Final = 0.5
PAUSES: Final = Pauses(1.0, 30.0)
"""Of a tenant whose stream can't be written."""
AT_ONCE: Final = 16
"""Tenants published side by side; of those that failed last at most a quarter, for each may wait for its timeout."""
BATCH: Final = 200
TURN: Final = 20
"""Batches of one tenant before others get its place."""
ANSWER_SECONDS: Final = 12.0
"""A Redis Cluster client may try several nodes, each for its own timeout."""

_log = logs.get_logger(__name__)


class EventOutbox(Protocol):
    """The outbox as the publisher needs it: `forge_core.history.outbox.Outbox`."""

    async def tenants(self) -> list[str]: ...

    async def heads(self, tenant: str, most: int) -> list[Event]: ...

    async def published(self, ids: Sequence[UUID]) -> int: ...


class EventStreams(Protocol):
    """The tenants' streams: `forge_core.progress.Progress`."""

    async def publish_events(self, tenant: str, events: Sequence[StreamEvent], length: int = ...) -> set[str]: ...


class EventPublisher:
    """Publishes while `leads()`; a second one at the same time would only make repeats."""

    def __init__(
        self,
        outbox: EventOutbox,
        streams: EventStreams,
        metrics: Metrics,
        leads: Callable[[], bool],
        length: int = EVENTS_LENGTH,
    ) -> None:
        self._outbox = outbox
        self._streams = streams
        self._metrics = metrics
        self._leads = leads
        self._length = length
        self._rests = Rests(PAUSES)
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._turned: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._away = False

    async def keep(self) -> None:
        """For ever, whatever is away."""
        try:
            while True:
                if self._leads():
                    await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            tasks = list(self._in_hand.values())
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=1)

    async def _look(self) -> None:
        """Begin with each tenant that has something to be told and is neither at it nor resting."""
        try:
            tenants = await self._outbox.tenants()
        except HistoryUnavailable as error:
            self._history_became(away=True, error=str(error))
            return
        self._history_became(away=False)
        for tenant in self._chosen(tenants, time.monotonic()):
            task = asyncio.create_task(self._turn(tenant), name=f"events/{tenant}")
            self._in_hand[tenant] = task

    def _chosen(self, tenants: Iterable[str], now: float) -> list[str]:
        """Who has waited longest for a turn comes first."""
        waiting = [each for each in tenants if each not in self._in_hand and not self._rests.resting(each, now)]
        self._turned = {tenant: at for tenant, at in self._turned.items() if tenant in waiting}
        waiting.sort(key=lambda tenant: self._turned.get(tenant, 0.0))
        well = [tenant for tenant in waiting if not self._rests.times(tenant)]
        ailing = [tenant for tenant in waiting if self._rests.times(tenant)]
        busy_ailing = sum(1 for tenant in self._in_hand if self._rests.times(tenant))
        chosen = well[: max(AT_ONCE - len(self._in_hand), 0)]
        left = min(AT_ONCE // 4 - busy_ailing, AT_ONCE - len(self._in_hand) - len(chosen))
        return chosen + ailing[: max(left, 0)]

    async def _turn(self, tenant: str) -> None:
        try:
            for _ in range(TURN):
                if not self._leads() or not await self.batch(tenant):
                    break
        except HistoryUnavailable as error:
            self._history_became(away=True, error=str(error))
        except (ProgressUnavailable, TimeoutError) as error:
            self._failed(tenant, str(error) or f"no answer within {ANSWER_SECONDS:g} s")
        except Exception:
            _log.exception("events can't be published", tenant=tenant)
            self._rests.failed(tenant, time.monotonic())
        finally:
            del self._in_hand[tenant]
            self._turned[tenant] = time.monotonic()
            self._wake.set()

    async def batch(self, tenant: str) -> bool:
        """Publish what comes next of a tenant, then mark it; whether there may be more.

        Raises ProgressUnavailable, TimeoutError, HistoryUnavailable; whatever was not marked is published again.
        """
        events = await self._outbox.heads(tenant, BATCH)
        if not events:
            return False
        told = [StreamEvent(str(event.id), event.type, event.payload) for event in events]
        async with asyncio.timeout(ANSWER_SECONDS):
            taken = await self._streams.publish_events(tenant, told, self._length)
        marked = await self._outbox.published([event.id for event in events if str(event.id) in taken])
        self._metrics.published.labels(Channel.EVENTS).inc(marked)
        if len(taken) < len(events):
            raise ProgressUnavailable(f"{len(events) - len(taken)} of {len(events)} events were refused")
        if self._rests.worked(tenant):
            _log.info("events are published again", tenant=tenant)
        return True

    def _failed(self, tenant: str, why: str) -> None:
        first = not self._rests.times(tenant)
        pause = self._rests.failed(tenant, time.monotonic())
        self._metrics.unpublished.labels(Channel.EVENTS).inc()
        (_log.warning if first else _log.debug)(
            "events can't be published: they wait", tenant=tenant, error=why[:300], again_in=pause
        )

    def _history_became(self, *, away: bool, error: str = "") -> None:
        if away != self._away:
            self._away = away
            _log.info("PostgreSQL is away: events wait" if away else "events are read again", error=error[:300])

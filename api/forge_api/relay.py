"""Live progress from Redis to listeners: one blocking reader per tenant that has any, fan-out in this process.

Nothing here decides an outcome. A listener that can't keep up is closed with a reason; one that must not miss an end
is told of a changed row (looked at every 5 s, all listeners' rows in one query) even when Redis is away.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from forge_api.background import repeating
from forge_api.metrics import Metrics
from forge_core.ending import ended
from forge_core.history.queries import State
from forge_core.logs import get_logger
from forge_core.messages import BadMessage, ProgressMessage, ProgressUnavailable, TerminalMessage, decode_message
from forge_core.names import progress_stream
from forge_core.pauses import Pauses
from forge_core.progress import BEGINNING, Entry, Progress

BLOCK_MS: Final = 5000
LOOK_SECONDS: Final = 5.0
QUEUE_LENGTH: Final = 256
"""Messages that a listener may be behind."""
PAUSES: Final = Pauses(0.2, 5.0)
log = get_logger("api.relay")


@dataclass(frozen=True)
class Heard:
    """A message of the listener's job; `id` is its entry's, the resume token."""

    id: str
    message: ProgressMessage | TerminalMessage


@dataclass(frozen=True)
class Gap:
    """Messages may have been missed: take a new snapshot."""


@dataclass(frozen=True)
class Changed:
    """The job's row has another phase than before, or its AnalysisJob is there now."""


@dataclass(frozen=True)
class Closed:
    """The relay gives the listener up; `reason` is a sentence."""

    reason: str


Item = Heard | Gap | Changed | Closed


class TooMany(Exception):
    """The tenant has as many listeners as it may."""


@dataclass(eq=False)
class Listener:
    """One client's place. `uid` may come later, for a job that is not yet in the cluster."""

    job_id: UUID
    uid: str = ""
    state: State | None = None
    closed: Closed | None = None
    _items: deque[Item] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, item: Item) -> None:
        """Never waits: a full queue closes the listener."""
        if self.closed is None:
            if len(self._items) >= QUEUE_LENGTH:
                self.close("too slow: messages were left unread")
                return
            self._items.append(item)
            self._woken.set()

    def close(self, reason: str) -> None:
        """What is queued is given up; the next item is Closed."""
        self._items.clear()
        self.closed = Closed(reason)
        self._woken.set()

    async def next(self) -> Item:
        """The next item, waiting for it."""
        while not self._items:
            if self.closed is not None:
                return self.closed
            self._woken.clear()
            await self._woken.wait()
        return self._items.popleft()


def newer(one: str, other: str) -> bool:
    """Whether stream id `one` comes after `other`."""
    return _order(one) > _order(other)


def _order(entry_id: str) -> tuple[int, int]:
    moment, _, number = entry_id.partition("-")
    return int(moment), int(number or 0)


class _Tenant:
    """The reader of one tenant's stream and who listens."""

    def __init__(self, name: str, progress: Progress, metrics: Metrics) -> None:
        self.key = progress_stream(name)
        self.listeners: set[Listener] = set()
        self.position: str | None = None
        self.settled = asyncio.Event()
        """Set once the position is known, or Redis is known to be away."""
        self._progress = progress
        self._metrics = metrics
        self._away = False

    async def read_for_ever(self) -> None:
        """Read and fan out; Redis away is waited out."""
        failures = 0
        while True:
            try:
                await self._find_position()
                entries = await self._progress.read(self.key, self.position or BEGINNING, block_ms=BLOCK_MS)
            except ProgressUnavailable as error:
                if not self._away:
                    log.warning("progress can't be read", error=str(error))
                self._away = True
                self.settled.set()
                failures += 1
                await asyncio.sleep(PAUSES.after(failures))
                continue
            failures = 0
            for entry in entries:
                self._tell(entry)
                self.position = entry.id

    async def _find_position(self) -> None:
        if self.position is not None and not self._away:
            return
        first, last = await self._progress.bounds(self.key)
        if self._away and (self.position is None or newer(first, self.position) or newer(self.position, last)):
            self.position = last
            for listener in self.listeners:
                listener.push(Gap())
        elif self.position is None:
            self.position = last
        self._away = False
        self.settled.set()

    def _tell(self, entry: Entry) -> None:
        try:
            message = decode_message(entry.payload)
        except BadMessage:
            self._metrics.bad_messages.inc()
            return
        self._metrics.relay_lag.set(max(0.0, datetime.now(UTC).timestamp() - _order(entry.id)[0] / 1000))
        for listener in self.listeners:
            if listener.uid == message.uid:
                listener.push(Heard(entry.id, message))
                if listener.closed:
                    self._metrics.dropped_listeners.inc()


class Relay:
    """All tenants' readers. `states` answers phase and UID of rows; `most` bounds one tenant's listeners."""

    def __init__(
        self,
        progress: Progress,
        states: Callable[[Sequence[UUID]], Awaitable[dict[UUID, State]]],
        metrics: Metrics,
        most: int,
    ) -> None:
        self._progress = progress
        self._states = states
        self._metrics = metrics
        self._most = most
        self._tenants: dict[str, _Tenant] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._places: dict[str, int] = {}
        self._closing = ""

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Look at listeners' rows while the block lasts; its end closes all listeners."""
        async with repeating("row watch", self.look, LOOK_SECONDS):
            try:
                yield
            finally:
                self.close("the API is shutting down")
                await ended(*self._readers.values())
                await asyncio.gather(*self._ending)

    def close(self, reason: str) -> None:
        """Close every listener, and those that come from now on."""
        self._closing = reason
        for tenant in self._tenants.values():
            for listener in tenant.listeners:
                listener.close(reason)

    @asynccontextmanager
    async def place(self, tenant: str, transport: str) -> AsyncIterator[None]:
        """Count one open connection of the tenant. Raises TooMany."""
        if self._places.get(tenant, 0) >= self._most:
            raise TooMany(f"The tenant has {self._most} open progress connections already: close one first.")
        self._places[tenant] = self._places.get(tenant, 0) + 1
        self._metrics.listeners.labels(transport).inc()
        try:
            yield
        finally:
            self._places[tenant] -= 1
            if not self._places[tenant]:
                del self._places[tenant]
            self._metrics.listeners.labels(transport).dec()

    @asynccontextmanager
    async def listening(self, tenant: str, job_id: UUID, state: State) -> AsyncIterator[tuple[Listener, str]]:
        """A listener to one job, and the stream position it begins at ("" while Redis is away)."""
        listener = Listener(job_id, str(state.uid or ""), state)
        async with AsyncExitStack() as stack:
            reader = self._joined(tenant, listener)
            stack.callback(self._leave, tenant, listener)
            if self._closing:
                listener.close(self._closing)
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await reader.settled.wait()
            yield listener, reader.position or ""

    def _joined(self, tenant: str, listener: Listener) -> _Tenant:
        if tenant not in self._tenants:
            reader = _Tenant(tenant, self._progress, self._metrics)
            self._tenants[tenant] = reader
            self._readers[tenant] = asyncio.create_task(reader.read_for_ever(), name=f"relay {tenant}")
        self._tenants[tenant].listeners.add(listener)
        return self._tenants[tenant]

    def _leave(self, tenant: str, listener: Listener) -> None:
        reader = self._tenants[tenant]
        reader.listeners.discard(listener)
        if not reader.listeners:
            del self._tenants[tenant]
            ending = asyncio.create_task(ended(self._readers.pop(tenant)))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def look(self) -> None:
        """Tell listeners whose row has changed. Raises HistoryUnavailable."""
        listeners = [listener for tenant in self._tenants.values() for listener in tenant.listeners]
        if not listeners:
            return
        states = await self._states(list({listener.job_id for listener in listeners}))
        for listener in listeners:
            state = states.get(listener.job_id)
            if state is not None and state != listener.state:
                listener.state = state
                listener.uid = str(state.uid or "")
                listener.push(Changed())

    async def missed(self, tenant: str, after: str, until: str) -> AsyncIterator[Entry | Gap]:
        """Entries after `after` up to `until`; first a Gap when some of them are no longer there.

        Raises ProgressUnavailable.
        """
        key = progress_stream(tenant)
        first, last = await self._progress.bounds(key)
        if newer(first, after) or newer(after, last):
            yield Gap()
            return
        while newer(until, after):
            entries = await self._progress.read(key, after)
            if not entries:
                return
            for entry in entries:
                if newer(entry.id, until):
                    return
                yield entry
            after = entries[-1].id

"""The operator's life: list, watch, take the Lease, act; and on SIGTERM stop within a few seconds, whatever is away."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError
from forge_core.ending import ended
from forge_core.history.database import History, HistoryUnavailable
from forge_core.progress import Progress
from forge_operator.health import serving
from forge_operator.observe.kinds import BY_KOPF, NAMESPACES, Source
from forge_operator.observe.relist import relist
from forge_operator.parts import Connections, Parts
from forge_operator.settings import Settings

LEAST_STARTS: Final = timedelta(seconds=121)
RETRY_SECONDS: Final = 2.0
IN_FLIGHT_SECONDS: Final = 2.0
FLUSH_SECONDS: Final = 2.0
RELEASE_SECONDS: Final = 1.0
TASKS_SECONDS: Final = 1.0

_log = logs.get_logger(__name__)


async def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT (0), or until a part that should run for ever ends (1)."""
    async with AsyncExitStack() as stack:
        password = settings.redis_password.get_secret_value()
        parts = Parts(
            settings,
            Connections(
                await stack.enter_async_context(Cluster.connect(settings.kubeconfig)),
                await stack.enter_async_context(History.connect(settings.database_url)),
                await stack.enter_async_context(
                    Progress.connect(settings.redis_url, settings.redis_username, password)
                ),
            ),
        )
        port = await stack.enter_async_context(serving(settings.port, parts.health, parts.exposition, parts.routes()))
        _log.info("the operator begins", identity=settings.identity, port=port, installation=settings.installation)
        return await _Life(parts).live()


class _Life:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._code = 0

    async def live(self) -> int:
        self._heed_signals()
        lease = self._begin("lease", self._parts.lease.keep())
        self._begin("start", self._start())
        await self._stop.wait()
        await self._end(lease)
        return self._code

    def _heed_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._stop.is_set() or task.cancelled():
            return
        error = task.exception()
        if error is not None or task.get_name() != "start":
            _log.error(
                "a part of the operator ended: it stops, to be started anew", part=task.get_name(), exc_info=error
            )
            self._code = 1
            self._stop.set()

    async def _start(self) -> None:
        parts = self._parts
        await self._list_first(NAMESPACES)  # whose objects are ours is known before any of them comes
        for kind, watch in parts.watches.items():
            self._begin(f"watch {kind}", watch.keep())
        for source in BY_KOPF:
            await self._list_first(source)
        await parts.kopf.start()
        self._heed_signals()  # kopf has set its own
        self._begin("kopf", parts.kopf.ended())
        for name, work in parts.lasting():
            self._begin(name, work)
        self._begin("rate window", self._recall())

    async def _list_first(self, source: Source) -> None:
        """Kopf looks for its resources only once: wait until the CRDs are there."""
        while True:
            try:
                await relist(self._parts.cluster, source, self._parts.sink)
            except ClusterError as error:
                _log.warning("can't list yet", kind=source.kind, error=str(error)[:300])
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _recall(self) -> None:
        """Read the starts of the rate windows from the history; until that was possible limited queues wait."""
        parts = self._parts
        while not parts.picture.history_known:
            limits = [queue.spec.rate_limit for queue in parts.picture.queues.values() if queue.spec]
            window = max([LEAST_STARTS, *(timedelta(seconds=limit.per + 61) for limit in limits if limit)])
            try:
                await parts.recorder.recall_starts(datetime.now(UTC) - window)
            except HistoryUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
        parts.sink.dirty.set()
        await self._stop.wait()

    async def _end(self, lease: asyncio.Task[None]) -> None:
        _log.info("the operator stops")
        parts = self._parts
        await parts.applier.stop(IN_FLIGHT_SECONDS)
        with suppress(HistoryUnavailable, TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await parts.recorder.flush()
        lease.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await parts.lease.release()
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await parts.kopf.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(TASKS_SECONDS):
                await ended(*left)

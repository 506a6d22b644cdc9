"""A plain watch of one kind, for the kinds that make most of the events: list, watch from there, and again for ever."""

import asyncio
from typing import Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError, Gone, Unavailable
from forge_core.pauses import Pauses
from forge_operator.observe.kinds import Source
from forge_operator.observe.relist import relist
from forge_operator.observe.sink import Sink
from forge_operator.reading import text

WATCH_SECONDS: Final = 290
PAUSES: Final = Pauses(0.2, 5.0)

_log = logs.get_logger(__name__)


class Watch:
    """`connected` says whether the kind has been listed and is being watched now."""

    def __init__(self, cluster: Cluster, source: Source, sink: Sink) -> None:
        self._cluster = cluster
        self._source = source
        self._sink = sink
        self._version = ""
        self._failures = 0
        self.connected = False

    async def keep(self) -> None:
        """For ever."""
        while True:
            try:
                if not self._version:
                    self._version = await relist(self._cluster, self._source, self._sink)
                await self._follow()
            except Gone:
                _log.info("the watch is too far behind: listing again", kind=self._source.kind)
                self._version = ""
            except ClusterError as error:
                await self._rest(error)

    async def _follow(self) -> None:
        self.connected = True
        watch = self._cluster.watch(self._source.path, self._version, WATCH_SECONDS, **self._source.query)
        async for event, raw in watch:
            self._version = text(raw, "metadata", "resourceVersion") or self._version
            self._failures = 0
            if event != "BOOKMARK":
                self._sink.seen(self._source.kind, event, raw, "watch")

    async def _rest(self, error: ClusterError) -> None:
        self.connected = False
        self._failures += 1
        asked = error.retry_after if isinstance(error, Unavailable) else 0.0
        pause = max(PAUSES.after(self._failures), min(asked, PAUSES.longest))
        _log.info("a watch broke off", kind=self._source.kind, error=str(error)[:300], pause=pause)
        await asyncio.sleep(pause)

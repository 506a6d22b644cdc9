"""Complete lists, in pages: the picture's beginning, and every few minutes its repair."""

import asyncio
import random
from contextlib import suppress
from typing import Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError
from forge_operator.observe.kinds import RELISTED, Source
from forge_operator.observe.sink import Sink
from forge_operator.reading import text, whole
from forge_operator.record.recorder import Recorder

PAGE: Final = 500
BREATH: Final = 0.05
"""Seconds between two pages: a repair must never crowd out the watches."""

_log = logs.get_logger(__name__)


async def relist(cluster: Cluster, source: Source, sink: Sink) -> str:
    """Take in a complete list of one kind; answers its resourceVersion. Raises ClusterError (Gone when too slow)."""
    uids: set[str] = set()
    version, epoch = "", sink.epoch
    async for page in cluster.pages(source.path, PAGE, **source.query):
        version = text(page, "metadata", "resourceVersion")
        for raw in page.get("items") or ():
            uids.add(text(raw, "metadata", "uid"))
            sink.seen(source.kind, None, raw, "list")
        await asyncio.sleep(BREATH if text(page, "metadata", "continue") else 0)
    sink.listed(source.kind, uids, whole({"version": version}, "version"), epoch)
    return version


class Relisting:
    """Lists everything again every `seconds` (a fifth more or less), and at once when the sink asks for it."""

    def __init__(self, cluster: Cluster, sink: Sink, recorder: Recorder, seconds: float) -> None:
        self._cluster = cluster
        self._sink = sink
        self._recorder = recorder
        self._seconds = seconds

    async def keep(self) -> None:
        """For ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds * random.uniform(0.8, 1.2)):  # noqa: S311
                    await self._sink.relist.wait()
            self._sink.relist.clear()
            await self.once()

    async def once(self) -> None:
        """One round; what can't be listed now is left to the next. What the history holds and no list shows is gone."""
        before = await self._recorder.in_cluster()
        try:
            for source in RELISTED:
                await relist(self._cluster, source, self._sink)
        except ClusterError as error:
            _log.info("the relist broke off", error=str(error)[:300])
            return
        self._recorder.vanished(before - self._sink.picture.analysis_jobs.keys())

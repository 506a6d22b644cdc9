"""`status` of each JobQueue: how many wait, how many hold a slot, and why nothing starts when nothing does."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError, job_queues
from forge_operator.admission.gates import why_closed
from forge_operator.digests import Kind
from forge_operator.observe.sink import Sink

ROUND_SECONDS: Final = 5.0

_log = logs.get_logger(__name__)


class QueueStatus:
    """Writes what changed, every few seconds. Queues are the cluster's, so only one installation may."""

    def __init__(self, cluster: Cluster, sink: Sink, leads: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._sink = sink
        self._leads = leads
        self._written: dict[str, dict[str, Any]] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            if self._leads() and not self._sink.picture.missing:
                await self.once()

    async def once(self) -> None:
        """Write the status of each queue that stands otherwise than was last written."""
        for name, queue in list(self._sink.picture.queues.items()):
            status = self._status(name, queue.generation)
            if self._written.get(queue.uid) == status:
                continue
            patch = {"metadata": {"uid": queue.uid}, "status": status}
            try:
                answer = await self._cluster.patch(job_queues(name) + "/status", patch)
            except ClusterError as error:
                _log.info("a queue's status was not written", queue=name, error=str(error)[:300])
                continue
            self._written[queue.uid] = status
            self._sink.seen(Kind.JOB_QUEUE, "MODIFIED", answer, "answer")

    def _status(self, queue: str, generation: int) -> dict[str, Any]:
        picture = self._sink.picture
        closed = why_closed(picture, queue)
        message = closed.message.removeprefix("Waiting: ") if closed else ""
        return {
            "waiting": sum(map(len, picture.places.waiting(queue).values())),
            "active": picture.slots_used(queue),
            "message": message[:1].upper() + message[1:],
            "observedGeneration": generation,
        }

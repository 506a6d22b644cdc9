"""AnalysisJobs, JobQueues and tenant namespaces, by kopf's `on.event`: the watches only, embedded in our own loop.

Handlers of changes, timers and daemons would cost a finalizer, annotations and a copy of the object on each
AnalysisJob; event handlers write nothing. See docs/adr.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import kopf

from forge_core.names import ANALYSIS_JOBS, GROUP, JOB_QUEUES, TENANT_LABEL, VERSION
from forge_core.pauses import Pauses
from forge_operator.digests import Kind
from forge_operator.observe.sink import Sink

PAGE: Final = 500
PAUSES: Final = Pauses(0.5, 5.0)
"""Without an end: kopf gives a watch up after the last."""


def settings() -> kopf.OperatorSettings:
    """Kopf without anything that writes."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.networking.error_backoffs = PAUSES
    made.networking.request_timeout = 60.0
    made.watching.server_timeout = 290  # the API server takes whole seconds only
    made.watching.chunk_size = PAGE
    made.watching.label_selectors["namespaces"] = TENANT_LABEL
    made.queueing.idle_timeout = 1.0
    made.queueing.exit_timeout = 0.5
    made.process.ultimate_exiting_timeout = None
    return made


def registry(sink: Sink) -> kopf.OperatorRegistry:
    """Handlers that hand every event to the sink."""
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made)(kopf.login_via_client)

    def hear(kind: Kind, *resource: str) -> None:
        @kopf.on.event(*resource, registry=made, id=f"observe-{kind.lower()}")
        async def seen(event: Any, **_: Any) -> None:
            sink.seen(kind, event["type"], event["object"], "kopf")

    hear(Kind.NAMESPACE, "", "v1", "namespaces")
    hear(Kind.JOB_QUEUE, GROUP, VERSION, JOB_QUEUES)
    hear(Kind.ANALYSIS_JOB, GROUP, VERSION, ANALYSIS_JOBS)
    return made


class KopfWatches:
    """Kopf's root tasks, begun by `start` and ended by `stop`; `connected` while all of them run."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> bool:
        """Whether kopf is at work."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        """Begin. Kopf sets handlers of SIGTERM and SIGINT: set yours again afterwards."""
        tasks = await kopf.spawn_tasks(
            registry=registry(self._sink), settings=settings(), clusterwide=True, standalone=True
        )
        self._tasks = list(tasks)

    async def ended(self) -> None:
        """Return, or raise, when one of kopf's tasks is over, which none should ever be."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.gather(*self._tasks, return_exceptions=True)

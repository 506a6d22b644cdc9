"""One port in one process; SIGTERM ends what git does, then the listener."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn

from forge_clones.app import Services, app
from forge_clones.bringing import Bringing
from forge_clones.metrics import Metrics
from forge_clones.mirrors import Mirrors
from forge_clones.settings import Settings
from forge_clones.writing import Writer
from forge_core.identity import Identities
from forge_core.kube import Kubernetes
from forge_core.names import CLONES_AUDIENCE

GRACE_SECONDS: Final = 10
CONNECTIONS: Final = 2000
HEADER_BYTES: Final = 24 * 1024
"""Of all headers of a request; a token has up to 16 KiB."""


class _Server(uvicorn.Server):
    """Signals are the program's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(settings: Settings, kube: Kubernetes) -> AsyncIterator[int]:
    """Serve while the block lasts; the port. Raises VolumeTaken, OSError."""
    stopping = ""
    mirrors = await asyncio.to_thread(Mirrors.opened, settings.clones_path)
    with tempfile.TemporaryDirectory(prefix="forge-clones-") as private:
        writer = await asyncio.to_thread(Writer, Path(private), settings.limits, lambda: stopping)
        metrics = Metrics(mirrors.held)
        bringing = Bringing(settings, mirrors, writer, metrics)
        identities = Identities(kube, CLONES_AUDIENCE)
        reads = asyncio.Semaphore(settings.reads_at_once)
        services = Services(settings, identities, mirrors, bringing, writer, metrics, reads)
        try:
            async with _listening(services) as port:
                try:
                    yield port
                finally:
                    stopping = "the clone cache is shutting down"
        finally:
            await bringing.close()
            mirrors.close()


@asynccontextmanager
async def _listening(services: Services) -> AsyncIterator[int]:
    settings = services.settings
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((settings.host, settings.port))
    server = _Server(
        uvicorn.Config(
            app(services), http="h11", h11_max_incomplete_event_size=HEADER_BYTES, ws="none", lifespan="off",
            access_log=False, log_config=None, proxy_headers=False, server_header=False, timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=CONNECTIONS,
        )
    )  # fmt: skip
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.01)
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await task

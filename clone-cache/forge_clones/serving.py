"""One port in one process; SIGTERM ends what git does, then the listener."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from forge_clones.app import Services, app
from forge_clones.bringing import Bringing
from forge_clones.metrics import Metrics
from forge_clones.mirrors import Mirrors
from forge_clones.settings import Settings
from forge_clones.writing import Writer
from forge_core.identity import Identities
from forge_core.kube import Kubernetes
from forge_core.listening import listening, server
from forge_core.names import CLONES_AUDIENCE

GRACE_SECONDS: Final = 10
CONNECTIONS: Final = 2000
HEADER_BYTES: Final = 24 * 1024
"""Of all headers of a request; a token has up to 16 KiB."""


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
            serves = server(app(services), header_bytes=HEADER_BYTES, connections=CONNECTIONS, grace=GRACE_SECONDS)
            async with listening(settings.host, (settings.port, serves)) as (port,):
                try:
                    yield port
                finally:
                    stopping = "the clone cache is shutting down"
        finally:
            await bringing.close()
            mirrors.close()

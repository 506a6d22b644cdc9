"""Health that is true: /healthz says whether the process still turns, /readyz whether it observes and decides."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

DECIDE_SECONDS: Final = 30.0
"""A loop that has not come round for this long is stuck: Kubernetes should restart the process."""


@dataclass(frozen=True)
class Health:
    """One look at the operator. Ages are in seconds."""

    watches: Mapping[str, bool]
    """Each watch, and whether it is connected and has listed once."""
    last_decide_age: float
    waiting_writes: int
    unrecorded: int
    lease_holder: str
    leading: bool
    redis: bool
    history: bool
    api: bool

    @property
    def alive(self) -> bool:
        """Whether a restart would not help."""
        return self.last_decide_age < DECIDE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether it sees the cluster and goes round. A standby replica is ready too."""
        return self.alive and all(self.watches.values())


@asynccontextmanager
async def serving(
    port: int, look: Callable[[], Health], metrics: Callable[[], bytes], more: Sequence[web.RouteDef] = ()
) -> AsyncIterator[int]:
    """Serve /healthz, /readyz, /metrics and `more` on `port` (0: any free one) and yield the port."""

    def answer(good: bool, health: Health) -> web.Response:
        body: dict[str, Any] = {**vars(health), "watches": dict(health.watches), "alive": health.alive}
        return web.Response(text=json.dumps(body), status=200 if good else 503, content_type="application/json")

    async def healthz(_request: web.Request) -> web.Response:
        health = look()
        return answer(health.alive, health)

    async def readyz(_request: web.Request) -> web.Response:
        health = look()
        return answer(health.ready, health)

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition), *more])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()

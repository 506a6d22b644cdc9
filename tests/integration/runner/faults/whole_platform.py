"""What a runner has around it, real but for the cluster: API, PostgreSQL, Redis, git server, receiver of webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from forge_core.history.database import History
from forge_core.progress import Progress
from tests.builders.api import Api, MemoryCluster, Signer, make_settings, running_api
from tests.integration.runner.faults.gate import Gate, gate_kept
from tests.integration.workspace.servers import GitServer
from tests.services.postgres import PostgresServer
from tests.services.receiver import Receiver, receiving
from tests.services.redis import RedisServer, redis_server
from tests.services.wire import Wire, wire

TENANT: Final = "acme"
NAMESPACE: Final = "tenant-acme"
SYSTEM: Final = "forge-system"
"""The system tenant's namespace."""
RETENTION_DAYS: Final = 10


@dataclass(frozen=True)
class Platform:
    """Runners reach the API, and the API reaches PostgreSQL, by wires that a test may cut."""

    folder: Path
    api: Api
    cluster: MemoryCluster
    history: History
    """Past the wire."""
    redis: RedisServer
    git: GitServer
    receiver: Receiver
    gate: Gate
    to_api: Wire
    to_postgres: Wire

    @property
    def api_url(self) -> str:
        """Of the internal port, by the wire."""
        return f"http://127.0.0.1:{self.to_api.port}"

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """What PostgreSQL itself holds."""
        async with self.history.begin() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def heartbeat(self, tenant: str, uid: str) -> object:
        """The job's last one in Redis, None when there is none."""
        async with Progress.connect(self.redis.url) as progress:
            found = (await progress.snapshots(tenant, [uid])).get(uid)
        return found.heartbeat if found else None


def _a_cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.tenant(TENANT, NAMESPACE)
    cluster.tenant("system", SYSTEM)
    return cluster


@asynccontextmanager
async def a_platform(folder: Path, postgres: PostgresServer, database: str) -> AsyncIterator[Platform]:
    """All of it while the block lasts, on a database that has the newest schema."""
    cluster, signer = _a_cluster(), Signer.make()
    (folder / "served").mkdir()
    with (
        redis_server(folder / "redis") as redis,
        GitServer.serving(folder / "served") as git,
        receiving() as receiver,
        gate_kept() as gate,
        wire(postgres.port) as to_postgres,
    ):
        by_wire = database.replace(f":{postgres.port}/", f":{to_postgres.port}/")
        terms = {"system_namespace": SYSTEM, "history_retention": f"{RETENTION_DAYS * 24}h"}
        settings = make_settings(folder, signer, by_wire, redis.url, **terms)
        async with History.connect(database, pool=2) as history, running_api(settings, cluster, signer) as api:
            with wire(int(api.internal.rsplit(":", 1)[1])) as to_api:
                yield Platform(folder, api, cluster, history, redis, git, receiver, gate, to_api, to_postgres)

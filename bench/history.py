"""What the history holds of a benchmark's jobs, asked of the embedded PostgreSQL."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from bench.place import PAUSE, RELEASE_NAMESPACE, kubectl
from bench.simulated import TENANT

RECORD_SECONDS: Final = 300.0
_BY_JOB: Final = ("artifacts", "attempts", "refunds", "timeline")
_BY_TENANT: Final = ("outbox", "usage", "jobs")


async def recorded(queue: str) -> int:
    """Rows of the queue whose end the operator has recorded."""
    return int(await sql(f"select count(*) from jobs where queue = '{queue}' and recorded_at is not null"))


async def all_recorded(queue: str, number: int) -> float:
    """Wait until so many ends are recorded; answers the seconds that took. Raises TimeoutError."""
    begun = time.monotonic()
    async with asyncio.timeout(RECORD_SECONDS):
        while await recorded(queue) < number:
            await asyncio.sleep(PAUSE)
    return time.monotonic() - begun


async def sql(statement: str) -> str:
    """The answer of the embedded PostgreSQL."""
    program = ("psql", "-h", "/tmp", "-U", "forge", "-d", "forge", "-tAq", "-c", statement)
    return (await kubectl("-n", RELEASE_NAMESPACE, "exec", "-i", "forge-postgres-0", "--", *program)).strip()


async def forget_rows(tenants: Iterable[str] = (TENANT,)) -> None:
    """Remove what these tenants left in the history."""
    whose = ", ".join(f"'{tenant}'" for tenant in tenants)
    mine = f"(select resource_uid from jobs where tenant in ({whose}))"
    statements = [f"delete from {table} where job_uid in {mine}" for table in _BY_JOB]
    statements += [f"delete from {table} where tenant in ({whose})" for table in _BY_TENANT]
    await sql("; ".join(statements))

"""A history whose outbox holds events, publishers as processes, and what their readers see."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis

from forge_core.history.database import History
from forge_core.history.outbox import Outbox
from forge_core.history.records import JobRecord, Records
from forge_core.names import events_stream
from forge_core.phase import Phase
from forge_core.progress import Progress
from forge_operator.metrics import Metrics
from forge_operator.outbox.publishing import EventPublisher
from tests.integration.outbox.publisher_program import publish
from tests.services.forked import Forked
from tests.services.waiting import eventually

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    async with History.connect(history_url) as history:
        yield history


def made_record(tenant: str, job: uuid.UUID, phase: Phase, *, version: int = 2, kind: str = "analysis") -> JobRecord:
    """What the operator would record of an analysis."""
    return JobRecord(
        uid=job, resource_version=version, tenant=tenant, namespace=f"tenant-{tenant}", name=f"job-{job}",
        queue="analysis", kind=kind, spec={"queue": "analysis", "repositoryId": "r1"}, priority=1, phase=phase,
        created_at=NOW, completed_at=NOW if phase.terminal else None,
        message="it broke" if phase is Phase.FAILED else "",
    )  # fmt: skip


async def end_jobs(history: History, tenant: str, count: int, phase: Phase = Phase.COMPLETED) -> list[uuid.UUID]:
    """Record the ends of so many analyses, each of which writes its event; answers their ids."""
    records = [made_record(tenant, uuid.uuid4(), phase) for _ in range(count)]
    await Records(history).write(records)
    return [record.uid for record in records]


def add_events(url: str, job: uuid.UUID, tenant: str, types: list[str]) -> None:
    """Further events of a job, in this order."""
    with psycopg.connect(url, autocommit=True) as connection:
        for kind in types:
            body = {"id": str(uuid.uuid4()), "type": kind, "subject": str(job)}
            connection.execute(
                "insert into outbox (id, job_id, tenant, type, event, created_at) values (%s, %s, %s, %s, %s, now())",
                (body["id"], job, tenant, kind, json.dumps(body)),
            )


def unpublished(url: str) -> int:
    """Rows that still wait."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select count(*) from outbox where published_at is null").fetchone()
    assert found is not None
    return int(found[0])


def written(url: str) -> list[tuple[str, str]]:
    """(job, id) of every event, in the order of writing."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("select job_id, id from outbox order by position").fetchall()
    return [(str(job), str(event)) for job, event in rows]


@dataclass(frozen=True)
class Reader:
    """A tenant's own program: it reads the stream, and drops what it has seen."""

    url: str
    tenant: str

    def entries(self) -> list[dict[str, Any]]:
        """The fields of each entry, repeats included."""
        client: Any
        if self.url.startswith("redis+cluster://"):
            client = redis.RedisCluster.from_url(self.url.replace("redis+cluster", "redis"), decode_responses=True)
        else:
            client = redis.Redis.from_url(self.url, decode_responses=True)
        with client:
            return [fields for _, fields in client.xrange(events_stream(self.tenant))]

    def seen(self) -> list[tuple[str, str]]:
        """(job, id) of each event, once."""
        found: dict[str, str] = {}
        for fields in self.entries():
            found.setdefault(fields["id"], json.loads(fields["m"])["subject"])
        return [(job, event) for event, job in found.items()]


def by_job(events: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The ids of each job's events, in order."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for job, event in events:
        grouped[job].append(event)
    return grouped


@contextmanager
def publisher(database: str, redis_url: str, *die: str | int) -> Iterator[Forked]:
    """A publisher's process; killed at the end, unless it was before."""
    process = Forked(publish, database, redis_url, list(die))
    try:
        yield process
    finally:
        process.kill()


@dataclass
class Running:
    """A publisher in this process; `leading` may be changed."""

    metrics: Metrics
    leading: bool = True

    def value(self, name: str) -> float:
        """Of a metric of the channel `events`."""
        return self.metrics.registry.get_sample_value(name, {"channel": "events"}) or 0.0

    async def reaches(self, name: str, value: float) -> None:
        """Wait until a counter is there: what it counts is seen elsewhere a moment before."""

        async def there() -> bool:
            return self.value(name) >= value

        await eventually(there, what=f"{name} reaches {value:g}")


@asynccontextmanager
async def publishing(
    history: History, url: str, length: int = 10_000, username: str = "", seconds: float = 30.0
) -> AsyncIterator[Running]:
    """Publishes meanwhile; Redis has so many seconds to answer, after which nobody knows what it took."""
    running = Running(Metrics(list))
    async with Progress.connect(url, username, "right" if username else "", seconds=seconds) as progress:
        kept = EventPublisher(Outbox(history), progress, running.metrics, lambda: running.leading, length)
        task = asyncio.create_task(kept.keep())
        try:
            yield running
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def all_published(url: str) -> None:
    async def none_left() -> bool:
        return unpublished(url) == 0

    await eventually(none_left, what="everything is published")

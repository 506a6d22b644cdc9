"""A tenant's usage by the API: its own alone, within bounds."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


def ended(at: datetime, tenant: str = "acme", queue: str = "analysis") -> JobRecord:
    return JobRecord(
        uid=uuid.uuid4(), resource_version=5, tenant=tenant, namespace=f"tenant-{tenant}", name="a", queue=queue,
        kind=queue, spec={}, priority=1, phase=Phase.COMPLETED, created_at=at - HOUR, attempts=1,
        started_at=at - timedelta(seconds=100), completed_at=at, cpu_millis=250, memory_mib=512,
    )  # fmt: skip


async def test_the_last_day_is_told_and_only_the_tenants_own(api: Api) -> None:
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    jobs = [ended(hour - 2 * HOUR), ended(hour - 3 * HOUR, queue="refactoring"), ended(hour - 2 * HOUR, "other"),
            ended(hour - 30 * HOUR)]  # fmt: skip
    await api.services.records.write(jobs)
    async with api.client() as client:
        assert (await client.get("/usage")).json()["closedUntil"] is None
        await api.services.upkeep.usages.close(now)
        found = (await client.get("/usage")).json()
        assert datetime.fromisoformat(found["closedUntil"]) == hour
        assert [(item["queue"], item["completed"]) for item in found["items"]] == [("refactoring", 1), ("analysis", 1)]
        assert found["items"][1] == {
            "queue": "analysis", "hour": (hour - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"), "completed": 1, "failed": 0,
            "cancelled": 0, "attempts": 1, "runSeconds": 100, "cpuSeconds": 25, "memoryGibSeconds": 50,
        }  # fmt: skip
        wider = {"since": (hour - 31 * HOUR).isoformat(), "queue": "analysis", "until": now.isoformat()}
        assert len((await client.get("/usage", params=wider)).json()["items"]) == 2


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until must be later than since."),
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}, "until must be later than since."),
        ({"since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}, "at most 31 days"),
        ({"since": "2026-01-01"}, "since"),
        ({"since": "1769000000"}, "RFC 3339"),
        ({"until": "0001-01-01T00:00:00Z"}, "times of our days"),
        ({"since": "9999-12-31T23:59:59Z"}, "times of our days"),
        ({"queue": "a\x00b"}, "control characters"),
        ({"tenant": "other"}, "tenant"),
    ],
)
async def test_what_can_t_be_asked_is_refused_with_a_sentence(api: Api, asked: dict[str, str], sentence: str) -> None:
    async with api.client() as client:
        answer = await client.get("/usage", params=asked)
        assert answer.status_code == 422, answer.text
        assert sentence in answer.json()["error"]

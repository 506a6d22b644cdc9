"""Failed jobs as the operator records them, and what users ask about them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api

NOW = datetime.now(UTC).replace(microsecond=0)
SLOW = "3 of 3 attempts are used up; of the last one: The host git.example.com was too slow to answer."
LOST = "The host git.example.com could not be found: the name service did not answer."
SPEC = {"queue": "analysis", "repository": {"url": "https://git.example.com/a.git"}, "cancel": False, "timeout": "5m"}


def failed(message: str = SLOW, **changes: Any) -> JobRecord:
    """The record of a job of kubectl that failed."""
    number = uuid.uuid4()
    given = {
        "uid": number, "resource_version": 9, "tenant": "acme", "namespace": "tenant-acme", "name": f"job-{number}",
        "queue": "analysis", "kind": "analysis", "spec": SPEC, "priority": 7, "phase": Phase.FAILED,
        "created_at": NOW - timedelta(hours=1), "completed_at": NOW, "message": message, "stage": "cloning",
        "reason": "AttemptsExhausted", "failure_class": "transient", "attempts": 3,
    }  # fmt: skip
    return JobRecord(**{**given, **changes})


async def record(api: Api, *records: JobRecord) -> list[str]:
    """Record them, as the operator does; their UIDs."""
    await api.services.records.write(records)
    return [str(one.uid) for one in records]


async def groups(client: httpx2.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    """The first page of a tenant's groups."""
    answer = await client.get(f"/dead-letters?{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def redrive(client: httpx2.AsyncClient, job_id: str) -> str:
    """Redrive one job; the new one's id."""
    answer = await client.post(f"/analyses/{job_id}/redrive")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])

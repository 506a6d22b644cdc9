"""What a runner asks of the API's internal port, call by call."""

import base64
import hashlib
import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2

from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api, RunnerPod

VERSIONS = itertools.count()
SARIF = b'{"version": "2.1.0", "runs": []}'


async def claim(api: Api, pod: RunnerPod, number: int = 1) -> httpx2.Response:
    """Claim an attempt, the pod's `number`-th."""
    async with api.runner(pod.token) as client:
        return await client.post("/internal/v1/attempts", json={"number_in_pod": number})


def digest(body: bytes) -> str:
    """The header Content-Digest of a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


async def upload(api: Api, pod: RunnerPod, attempt: int, name: str, body: bytes, **headers: str) -> httpx2.Response:
    """Store an artefact, as SARIF unless `headers` say otherwise."""
    given = {"Content-Type": "application/sarif+json", "Content-Digest": digest(body)}
    async with api.runner(pod.token) as client:
        path = f"/internal/v1/attempts/{attempt}/artifacts/{name}"
        return await client.put(path, content=body, headers={**given, **headers})


def reference(name: str, body: bytes) -> dict[str, Any]:
    """How an outcome names an artefact."""
    return {"name": name, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}


async def commit(api: Api, pod: RunnerPod, attempt: int, **outcome: Any) -> httpx2.Response:
    """Store an attempt's outcome, a success unless told otherwise."""
    async with api.runner(pod.token) as client:
        given = {"status": "succeeded", **outcome}
        return await client.put(f"/internal/v1/attempts/{attempt}/outcome", json=given)


def recorded(job: dict[str, Any], phase: Phase) -> JobRecord:
    """What the operator writes of a job; each record is newer than the one before."""
    return JobRecord(
        uid=uuid.UUID(job["metadata"]["uid"]),
        resource_version=1000 + next(VERSIONS),
        tenant="acme",
        namespace="tenant-acme",
        name=job["metadata"]["name"],
        queue="analysis",
        kind="analysis",
        spec={},
        priority=1,
        phase=phase,
        created_at=datetime.now(UTC),
    )

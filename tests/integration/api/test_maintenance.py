"""Maintenance by the internal port: for the system tenant's clean-up runners alone, a batch a call."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_api.settings import Settings
from forge_core.cluster import analysis_jobs, job_queues
from forge_core.exits import Exit
from forge_core.history.database import History
from forge_core.history.records import JobRecord
from forge_core.names import ANALYSIS_JOB_KIND
from forge_core.resource import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod, Signer, running_api
from tests.integration.runner.pods import Pod

pytestmark = pytest.mark.anyio
SYSTEM = "forge-system"
NOW = datetime.now(UTC)


@pytest.fixture
async def api(settings: Settings, cluster: MemoryCluster, signer: Signer) -> AsyncIterator[Api]:
    cluster.tenant("system", SYSTEM)
    for name, kind in (("cleanup", "cleanup"), ("analysis", "analysis")):
        cluster.put(job_queues(name), {"spec": {"jobType": kind}})
    given = settings.model_copy(update={"system_namespace": SYSTEM})
    async with running_api(given, cluster, signer) as api:
        yield api


def pod(cluster: MemoryCluster, namespace: str = SYSTEM, queue: str = "cleanup") -> RunnerPod:
    path = analysis_jobs(namespace, f"clean-{uuid.uuid4().hex[:6]}")
    return cluster.pod(
        namespace, cluster.put(path, {"kind": ANALYSIS_JOB_KIND, "spec": {"queue": queue}, "status": {}})
    )


async def ask(api: Api, runner: RunnerPod, step: str, **body: Any) -> httpx2.Response:
    async with api.runner(runner.token) as client:
        return await client.post(f"/internal/v1/maintenance/{step}", json=body)


async def finish(api: Api, runner: RunnerPod, step: str) -> list[dict[str, Any]]:
    """Call until nothing is left, as a runner does."""
    answers: list[dict[str, Any]] = []
    after, done = "", 0
    while not answers or after:
        answer = await ask(api, runner, step, after=after, done=done)
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
        after, done = answers[-1]["after"], done + answers[-1]["looked_at"]
    return answers


def ended(days: float, number: int = 0) -> JobRecord:
    at = NOW - timedelta(days=days, seconds=number)
    return JobRecord(
        uid=uuid.uuid4(), resource_version=5, tenant="acme", namespace="tenant-acme", name="a", queue="webhooks",
        kind="webhooks", spec={}, priority=1, phase=Phase.COMPLETED, created_at=at, completed_at=at,
    )  # fmt: skip


async def store(api: Api, *records: JobRecord) -> None:
    await api.services.records.write(records)
    await api.services.records.deleted([record.uid for record in records])


async def test_a_clean_up_closes_hours_and_then_removes_what_is_past_its_time(api: Api, cluster: MemoryCluster) -> None:
    await store(api, *(ended(100, number) for number in range(450)), ended(1))
    runner = pod(cluster)
    kept = await finish(api, runner, "rows")
    assert sum(answer["counts"]["kept"] for answer in kept) == 450, "their usage isn't known yet"
    hours = await finish(api, runner, "usage")
    assert sum(answer["counts"]["hours"] for answer in hours) > 99 * 24
    rows = await finish(api, runner, "rows")
    assert [answer["looked_at"] for answer in rows] == [200, 200, 50]
    assert sum(answer["counts"]["jobs"] for answer in rows) == 450
    for answers in (hours, rows):
        shares = [answer["share"] for answer in answers]
        assert shares == sorted(shares)
        assert shares[-1] == 1
    [artifacts] = await finish(api, runner, "artifacts")
    assert artifacts["counts"] == {"artifacts": 0, "kept": 0}
    [caches] = await finish(api, runner, "caches")
    assert caches["counts"] == {"caches": 0}
    [orphans] = await finish(api, runner, "orphans")
    assert orphans["share"] == 1


@pytest.mark.parametrize(("namespace", "queue"), [("tenant-acme", "cleanup"), (SYSTEM, "analysis"), (SYSTEM, "gone")])
async def test_no_other_runner_may_ask(api: Api, cluster: MemoryCluster, namespace: str, queue: str) -> None:
    await store(api, ended(100))
    runner = pod(cluster, namespace, queue)
    for step in ("usage", "rows", "artifacts", "caches", "orphans"):
        answer = await ask(api, runner, step)
        assert answer.status_code == 403, (step, answer.text)
    assert (await api.services.upkeep.purge.older_than(NOW)) == 1


async def test_without_a_system_tenant_nobody_may_ask(
    settings: Settings, cluster: MemoryCluster, signer: Signer
) -> None:
    cluster.put(job_queues("cleanup"), {"spec": {"jobType": "cleanup"}})
    async with running_api(settings, cluster, signer) as api:
        assert (await ask(api, pod(cluster, "tenant-acme"), "usage")).status_code == 403


async def test_a_token_that_is_none_is_refused(api: Api) -> None:
    async with api.runner("nonsense") as client:
        assert (await client.post("/internal/v1/maintenance/rows", json={})).status_code == 401


@pytest.mark.parametrize("step", ["usage", "rows", "artifacts", "caches", "orphans"])
@pytest.mark.parametrize(
    "after", ["nonsense", "2026-01-01T00:00:00", "x" * 201, "\x00", "00000000-0000-0000-0000-00000000000g"]
)
async def test_a_place_that_was_not_answered_is_refused(
    api: Api, cluster: MemoryCluster, step: str, after: str
) -> None:
    answer = await ask(api, pod(cluster), step, after=after)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("body", [{"done": -1}, {"done": "many"}, {"before": "2030-01-01T00:00:00Z"}])
async def test_a_body_that_says_more_or_other_is_refused(
    api: Api, cluster: MemoryCluster, body: dict[str, Any]
) -> None:
    assert (await ask(api, pod(cluster), "rows", **body)).status_code == 422


async def test_a_step_that_is_none_is_refused(api: Api, cluster: MemoryCluster) -> None:
    assert (await ask(api, pod(cluster), "everything")).status_code == 422


async def test_postgresql_away_is_a_503_and_the_same_call_succeeds_later(
    api: Api, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, purge = pod(cluster), api.services.upkeep.purge
    async with History.connect("postgresql://postgres@127.0.0.1:9/none") as away:
        there = purge._history
        monkeypatch.setattr(purge, "_history", away)
        assert (await ask(api, runner, "rows")).status_code == 503
        monkeypatch.setattr(purge, "_history", there)
    assert (await ask(api, runner, "rows")).status_code == 200


async def test_the_real_runner_does_a_whole_purge(api: Api, cluster: MemoryCluster, tmp_path: Path) -> None:
    await store(api, *(ended(100, number) for number in range(450)), ended(1))
    token = tmp_path / "token-of-the-pod"
    token.write_text(pod(cluster).token)
    runner = Pod(
        tmp_path / "pod", api.internal, kind="cleanup", attempts=1, config={"task": "purge-history"},
        program=(sys.executable, "-m", "forge_runner"), environment={"FORGE_TOKEN_PATH": str(token)},
    ).start()  # fmt: skip
    assert await asyncio.to_thread(runner.end) == Exit.SUCCEEDED, runner.output
    async with api.services.upkeep.purge._history.begin() as connection:
        [row] = await connection.execute(text("select summary from attempts where outcome = 'succeeded'"))
        left = (await connection.execute(text("select count(*) from jobs"))).scalar_one()
    assert row.summary["changed"]["jobs"] == 450
    assert row.summary["changed"]["hours"] > 99 * 24
    assert left == 1

"""Maintenance by the internal port: for the system tenant's clean-up runners alone, a batch a call."""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from forge_api.settings import Settings
from forge_core.cluster import analysis_jobs, job_queues
from forge_core.exits import Exit
from forge_core.history.caches import GONE_AT_ONCE
from forge_core.history.database import History
from forge_core.history.records import JobRecord
from forge_core.maintenance import STEPS, Ask, Step, Task
from forge_core.names import ANALYSIS_JOB_KIND
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod, Signer, running_api
from tests.integration.core.test_purge import TABLES, belongings, run
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


async def purged(api: Api, *, dry_run: bool) -> Counter[str]:
    """What a whole purge at NOW counts, step by step as a runner asks for it."""
    counts: Counter[str] = Counter()
    for step in STEPS[Task.PURGE_HISTORY]:
        asked = Ask(dry_run=dry_run)
        while True:
            done = await api.services.upkeep.do(step, asked, NOW)
            counts.update(done.counts)
            asked = Ask(after=done.after, done=asked.done + done.looked_at, dry_run=dry_run)
            if not done.after:
                break
    return counts


async def contents(api: Api) -> dict[str, list[Any]]:
    """Every row of every table, with the transaction that wrote it."""
    async with api.services.upkeep.purge._history.begin() as connection:
        return {
            table: sorted(str(row) for row in await connection.execute(text(f"select xmin, xmax, t.* from {table} t")))
            for table in (*TABLES, "usage", "usage_hours", "caches")
        }


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


async def caches(api: Api, days: float, number: int) -> None:
    """What jobs of so many repositories kept, and nobody used for so many days."""
    await run(
        api.services.upkeep.caches.history,
        "insert into caches (tenant, namespace, repository, name, content_type, size, sha256, body, stored_at, used_at)"
        " select 'acme', 'tenant-acme', :days || '-' || n, 'analysis', 'text/plain', 1, 'x', 'x', :at, :at"
        " from generate_series(1, :number) n",
        days=str(days),
        at=NOW - timedelta(days=days),
        number=number,
    )


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


async def test_a_dry_run_tells_what_the_real_one_then_does_and_changes_nothing(api: Api) -> None:
    left_over = [ended(100, 7 * number) for number in range(230)]  # more than one batch, over hours and kinds of rows
    young, middle, never_left, untold = ended(1), ended(40), ended(95), replace(ended(96), kind="analysis")
    await store(api, *left_over, middle, young, untold)
    await api.services.records.write([never_left])
    history = api.services.upkeep.purge._history
    for record in (*left_over[:30], middle, young, never_left, untold):
        await belongings(history, record.uid, record.created_at)
    for _ in range(3):
        await belongings(history, uuid.uuid4(), NOW - timedelta(days=2))
    await run(history, "update outbox set published_at = now(), dispatched_at = now()")
    # An alert that was given up: the API, which is at work meanwhile, never publishes it.
    given_up = "update outbox set published_at = null, channel = 'alerts', tries = 1000 where job_id = :id"
    await run(history, given_up, id=untold.uid)
    await caches(api, 100, 2 * GONE_AT_ONCE + 3)
    await caches(api, 1, 2)
    before = await contents(api)
    told = await purged(api, dry_run=True)
    assert await contents(api) == before
    assert told == await purged(api, dry_run=True), "asked twice it tells the same"
    assert told == await purged(api, dry_run=False)
    assert (told["jobs"], told["artifacts"], told["attempts"], told["kept"]) == (230, 30 + 1 + 1 + 3, 33, 2)
    assert told["caches"] == 2 * GONE_AT_ONCE + 3
    assert told["hours"] > 99 * 24
    assert told["usage"] > 1
    again = await purged(api, dry_run=True)
    assert again == await purged(api, dry_run=False)
    assert again["jobs"] == again["artifacts"] == again["usage"] == again["caches"] == 0


async def test_a_dry_run_of_usage_alone_tells_the_hours_that_would_be_filled(api: Api) -> None:
    await store(api, ended(2), ended(3))
    told = await api.services.upkeep.do(Step.USAGE, Ask(dry_run=True), NOW)
    assert await api.services.upkeep.usages.closed_until() is None
    assert told == await api.services.upkeep.do(Step.USAGE, Ask(), NOW)
    assert told.counts["usage"] == 2


@pytest.mark.parametrize("wrong", ["maybe", 2, None, {}])
async def test_a_dry_run_is_asked_for_by_a_boolean(api: Api, cluster: MemoryCluster, wrong: object) -> None:
    await store(api, ended(100))
    assert (await ask(api, pod(cluster), "rows", dry_run=wrong)).status_code == 422


async def test_in_a_transaction_for_looking_postgresql_itself_refuses_to_remove(api: Api) -> None:
    await store(api, ended(100))
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with api.services.upkeep.purge._history.look() as connection:
            await connection.execute(text("delete from jobs"))
    assert (await api.services.upkeep.purge.older_than(NOW)) == 1


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


@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_real_runner_does_a_whole_purge_or_tells_it(
    api: Api, cluster: MemoryCluster, tmp_path: Path, dry_run: bool
) -> None:
    await store(api, *(ended(100, number) for number in range(450)), ended(1))
    token = tmp_path / "token-of-the-pod"
    token.write_text(pod(cluster).token)
    config: dict[str, object] = {"task": "purge-history", **({"dryRun": True} if dry_run else {})}
    runner = Pod(
        tmp_path / "pod", api.internal, kind="cleanup", attempts=1, config=config,
        program=(sys.executable, "-m", "forge_runner"), environment={"FORGE_TOKEN_PATH": str(token)},
    ).start()  # fmt: skip
    assert await asyncio.to_thread(runner.end) == Exit.SUCCEEDED, runner.output
    async with api.services.upkeep.purge._history.begin() as connection:
        [row] = await connection.execute(text("select summary from attempts where outcome = 'succeeded'"))
        left = (await connection.execute(text("select count(*) from jobs"))).scalar_one()
    counts = row.summary["wouldChange" if dry_run else "changed"]
    assert counts["jobs"] == 450
    assert counts["hours"] > 99 * 24
    assert left == (451 if dry_run else 1)
    assert ("changed" in row.summary, row.summary.get("dryRun", False)) == (not dry_run, dry_run)

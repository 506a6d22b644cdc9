"""What is past its time leaves a real PostgreSQL, and nothing else does."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from forge_core.history import purge as purging
from forge_core.history.database import History
from forge_core.history.purge import Purge
from forge_core.history.records import JobRecord, Records
from forge_core.history.usage import Usages
from forge_core.phase import Phase

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, YOUNG = NOW - 100 * DAY, NOW - 10 * DAY
BEFORE = NOW - 90 * DAY
TABLES = ("artifacts", "attempts", "refunds", "timeline", "outbox", "jobs")


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    async with History.connect(history_url) as history:
        yield history


async def run(history: History, statement: str, **values: Any) -> None:
    async with history.begin() as connection:
        await connection.execute(text(statement), values)


async def held(history: History) -> dict[str, int]:
    async with history.begin() as connection:
        counts = [(await connection.execute(text(f"select count(*) from {table}"))).scalar_one() for table in TABLES]
    return dict(zip(TABLES, counts, strict=True))


async def belongings(history: History, uid: UUID, at: datetime) -> None:
    """One row of each table that hangs on a job's UID."""
    values = {"uid": uid, "at": at, "pod": uuid4()}
    for statement in (
        (
            "insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at, outcome,"
            " failure_class, message, stage, refunded)"
            " values (:uid, 1, :pod, 'p', 1, :at, 'succeeded', '', '', '', false)"
        ),
        (
            "insert into artifacts (job_uid, attempt, name, content_type, size, sha256, gzipped, body, stored_at)"
            " values (:uid, 1, 'log', 'text/plain', 1, 'x', true, 'x', :at)"
        ),
        "insert into refunds (pod_uid, job_uid, reason, at) values (:pod, :uid, 'Evicted', :at)",
        "insert into timeline (job_uid, at, what) values (:uid, :at, 'submitted')",
    ):
        await run(history, statement, **{key: value for key, value in values.items() if f":{key}" in statement})


async def ended(history: History, at: datetime, *, published: bool = True, gone: bool = True, **changes: Any) -> UUID:
    """A job that ended then, with everything that hangs on it."""
    record = JobRecord(
        uid=uuid4(), resource_version=9, tenant="demo", namespace="tenant-demo", name="a", queue="analysis",
        kind="analysis", spec={}, priority=1, phase=Phase.COMPLETED, created_at=at, completed_at=at,
    )  # fmt: skip
    record = replace(record, **changes)
    await Records(history).write([record])
    await belongings(history, record.uid, at)
    if gone:
        await Records(history).deleted([record.uid])
    if published:
        await run(history, "update outbox set published_at = now() where job_id = :id", id=record.uid)
    return record.uid


async def aggregated(history: History) -> None:
    last = None
    while (done := await Usages(history).close(NOW, last)).left:
        last = done.last


async def test_an_old_job_goes_with_all_that_hangs_on_it_and_a_young_one_stays_whole(history: History) -> None:
    await ended(history, OLD)
    await ended(history, OLD, phase=Phase.FAILED)
    await ended(history, YOUNG)
    await aggregated(history)
    batch = await Purge(history).rows(BEFORE)
    assert batch.gone == {"artifacts": 2, "attempts": 2, "refunds": 2, "timeline": 2, "outbox": 2, "jobs": 2}
    assert (batch.looked_at, batch.kept, batch.last) == (2, 0, None)
    assert await held(history) == dict.fromkeys(TABLES, 1)
    assert (await Purge(history).rows(BEFORE)).gone["jobs"] == 0, "again: nothing is left to do"


async def test_a_job_whose_analysisjob_is_in_the_cluster_stays_however_old(history: History) -> None:
    await ended(history, OLD, gone=False)
    await aggregated(history)
    batch = await Purge(history).rows(BEFORE)
    assert (batch.gone["jobs"], batch.kept) == (0, 1)
    assert (await Purge(history).artifacts(BEFORE)).gone == {"artifacts": 0}
    assert await held(history) == dict.fromkeys(TABLES, 1)


async def test_a_job_with_an_event_that_nobody_was_told_of_stays(history: History) -> None:
    await ended(history, OLD, published=False)
    await aggregated(history)
    assert (await Purge(history).rows(BEFORE)).kept == 1
    assert await held(history) == dict.fromkeys(TABLES, 1)
    await run(history, "update outbox set published_at = now()")
    assert (await Purge(history).rows(BEFORE)).gone["jobs"] == 1


async def test_a_job_stays_until_its_usage_is_aggregated(history: History) -> None:
    await ended(history, OLD)
    assert (await Purge(history).rows(BEFORE)).kept == 1
    await aggregated(history)
    assert (await Purge(history).rows(BEFORE)).gone["jobs"] == 1
    async with history.begin() as connection:
        assert (await connection.execute(text("select sum(completed) from usage"))).scalar_one() == 1


async def test_usage_of_hours_whose_jobs_are_gone_stays_as_it_was(history: History) -> None:
    await ended(history, OLD)
    await aggregated(history)
    await Purge(history).rows(BEFORE)
    await aggregated(history)
    async with history.begin() as connection:
        assert (await connection.execute(text("select sum(completed) from usage"))).scalar_one() == 1


async def test_an_open_job_stays_however_old(history: History) -> None:
    for phase in (Phase.QUEUED, Phase.RUNNING, Phase.CANCELLING):
        await ended(history, OLD, phase=phase, completed_at=None, gone=False)
    await run(history, "update jobs set created_at = :old", old=OLD)
    await aggregated(history)
    assert (await Purge(history).rows(BEFORE)).looked_at == 0
    assert (await held(history))["jobs"] == 3


async def test_a_job_that_never_reached_the_cluster_goes_too(history: History) -> None:
    await run(
        history,
        "insert into jobs (id, resource_version, tenant, namespace, name, queue, submitted, repository_id,"
        " requested_by, spec, priority, phase, stage, progress, attempts, message, reason, failure_class, created_at,"
        " cancelled_by, completed_at, recorded_at) values (:id, 0, 'demo', 'tenant-demo', 'n', 'analysis', true, '',"
        " 'me', '{}', 1, 'Cancelled', '', 0, 0, '', '', '', :at, 'me', :at, :at)",
        id=uuid4(), at=OLD,
    )  # fmt: skip
    await aggregated(history)
    assert (await Purge(history).rows(BEFORE)).gone["jobs"] == 1


async def test_many_go_in_batches_that_pass_over_what_has_to_stay(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "JOBS_AT_ONCE", 4)
    stays = {await ended(history, OLD + timedelta(minutes=number), gone=False) for number in range(6)}
    for number in range(5):
        await ended(history, OLD + timedelta(minutes=number, seconds=1))
    await aggregated(history)
    purge, last, gone, looked_at = Purge(history), None, 0, 0
    assert await purge.older_than(BEFORE) == 11
    while True:
        batch = await purge.rows(BEFORE, last)
        gone, looked_at, last = gone + batch.gone["jobs"], looked_at + batch.looked_at, batch.last
        if last is None:
            break
    assert (gone, looked_at) == (5, 11)
    async with history.begin() as connection:
        assert set((await connection.execute(text("select id from jobs"))).scalars()) == stays


async def test_artefacts_go_before_their_rows(history: History) -> None:
    await ended(history, OLD)
    await ended(history, YOUNG)
    assert (await Purge(history).artifacts(BEFORE)).gone == {"artifacts": 1}
    assert await held(history) == {**dict.fromkeys(TABLES, 2), "artifacts": 1}


async def test_orphans_go_after_a_day_and_what_belongs_to_a_row_or_was_touched_since_stays(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "UIDS_AT_ONCE", 2)
    await ended(history, OLD)
    for _ in range(5):
        await belongings(history, uuid4(), NOW - 2 * DAY)
    young, touched = uuid4(), uuid4()
    await belongings(history, young, NOW - DAY / 2)
    await belongings(history, touched, NOW - 2 * DAY)
    await run(history, "insert into timeline (job_uid, at, what) values (:uid, :at, 'claimed')", uid=touched, at=NOW)
    last, gone, looked_at = None, dict.fromkeys(TABLES[:4], 0), 0
    while True:
        swept = await Purge(history).orphans(NOW, last)
        gone = {table: gone[table] + swept.gone[table] for table in gone}
        looked_at, last = looked_at + swept.looked_at, swept.last
        if last is None:
            break
    assert looked_at == 8
    assert gone == dict.fromkeys(TABLES[:4], 5)
    left = await held(history)
    assert (left["jobs"], left["attempts"], left["artifacts"], left["refunds"], left["timeline"]) == (1, 3, 3, 3, 4)

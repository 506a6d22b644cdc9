"""The operator's history on a real PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from forge_core.attempts import MAX_REFUNDS
from forge_core.exits import FailureClass
from forge_core.history.database import History, HistoryUnavailable
from forge_core.history.records import JobRecord, PodEnd, Records, Tried
from forge_core.phase import Phase

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(days=3650)  # than any claim of these tests


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    async with History.connect(history_url) as history:
        yield history


def make_record(phase: Phase = Phase.QUEUED, version: int = 1, **changes: Any) -> JobRecord:
    record = JobRecord(
        uid=uuid4(), resource_version=version, tenant="demo", namespace="tenant-demo", name="a-job", queue="analysis",
        kind="analysis", spec={"queue": "analysis", "repositoryId": "r1", "requestedBy": "me"}, priority=1,
        phase=phase, created_at=NOW,
    )  # fmt: skip
    return replace(record, **changes)


async def rows(history: History, statement: str, **values: Any) -> list[Any]:
    async with history.begin() as connection:
        return list(await connection.execute(text(statement), values))


async def submit(history: History, row: UUID, phase: str = "Queued") -> None:
    """As the API does before the AnalysisJob is there."""
    await rows(
        history,
        "insert into jobs (id, resource_version, tenant, namespace, name, queue, submitted, repository_id,"
        " requested_by, spec, priority, phase, stage, progress, attempts, message, reason, failure_class, created_at,"
        " cancelled_by)"
        " values (:id, 0, 'demo', 'tenant-demo', :name, 'analysis', true, 'r1', 'me', '{}', 1, :phase, '', 0, 0, '',"
        " '', '', now(), '') returning id",
        id=row, name=str(row), phase=phase,
    )  # fmt: skip


async def claim(
    history: History, job: UUID, pod: UUID, number: int, *, outcome: str = "", summary: str = "null"
) -> None:
    await rows(
        history,
        "insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at, outcome, failure_class,"
        " message, stage, summary, refunded) values (:job, :number, :pod, 'p', 1, now(), :outcome, '', '', '',"
        " cast(:summary as jsonb), false) returning number",
        job=job, pod=pod, number=number, outcome=outcome, summary=summary,
    )  # fmt: skip


async def test_an_applied_job_gets_a_row_with_its_uid(history: History) -> None:
    record = make_record()
    assert await Records(history).write([record]) == []
    [row] = await rows(history, "select id, phase, submitted, repository_id, requested_by from jobs")
    assert tuple(row) == (record.uid, "Queued", False, "r1", "me")


async def test_a_submitted_job_is_adopted_by_its_name(history: History) -> None:
    row = uuid4()
    await submit(history, row)
    record = make_record(name=str(row))
    await Records(history).write([record])
    assert [tuple(each) for each in await rows(history, "select id, resource_uid from jobs")] == [(row, record.uid)]


async def test_a_second_job_under_the_name_of_an_adopted_one_gets_its_own_row(history: History) -> None:
    row = uuid4()
    await submit(history, row)
    first, second = make_record(name=str(row)), make_record(name=str(row))
    await Records(history).write([first])
    await Records(history).write([second])
    assert {each.id for each in await rows(history, "select id from jobs")} == {row, second.uid}


async def test_an_older_status_never_overwrites_a_newer_one(history: History) -> None:
    running = make_record(Phase.RUNNING, 7, progress=40, started_at=NOW)
    await Records(history).write([running])
    await Records(history).write([replace(running, phase=Phase.QUEUED, resource_version=5, progress=0)])
    [row] = await rows(history, "select phase, progress from jobs")
    assert tuple(row) == ("Running", 40)


async def test_of_one_batch_the_later_version_counts(history: History) -> None:
    queued = make_record(Phase.QUEUED, 3)
    await Records(history).write([replace(queued, phase=Phase.RUNNING, resource_version=8), queued])
    assert [row.phase for row in await rows(history, "select phase from jobs")] == ["Running"]


async def test_an_end_is_told_once_however_often_it_is_written(history: History) -> None:
    done = make_record(Phase.COMPLETED, 9, started_at=NOW, completed_at=NOW + timedelta(seconds=8))
    records = Records(history)
    [end] = await records.write([done])
    assert (end.queue, end.phase, end.completed_at) == ("analysis", Phase.COMPLETED, NOW + timedelta(seconds=8))
    assert await records.write([done]) == []
    assert await records.write([replace(done, resource_version=12)]) == []
    [event] = await rows(history, "select type, event from outbox")
    assert event.type == "analysis.completed"
    assert event.event["tenantid"] == "demo"
    assert event.event["data"] == {"analysisId": str(done.uid), "repositoryId": "r1"}


async def test_a_failure_makes_an_event_with_its_error(history: History) -> None:
    await Records(history).write([make_record(Phase.FAILED, 9, message="No such ref.", reason="Permanent")])
    [row] = await rows(history, "select type, event from outbox")
    assert (row.type, row.event["data"]["error"]) == ("analysis.failed", "No such ref.")


async def test_the_end_of_a_cleanup_makes_no_event(history: History) -> None:
    ends = await Records(history).write([make_record(Phase.FAILED, 9, queue="cleanup", kind="cleanup")])
    assert len(ends) == 1
    assert await rows(history, "select id from outbox") == []


async def test_a_terminal_phase_is_final(history: History) -> None:
    done = make_record(Phase.COMPLETED, 9)
    await Records(history).write([done])
    assert await Records(history).write([replace(done, phase=Phase.FAILED, resource_version=10)]) == []
    assert [row.phase for row in await rows(history, "select phase from jobs")] == ["Completed"]


async def test_a_cancellation_that_the_api_wrote_first_is_still_told_once(history: History) -> None:
    row = uuid4()
    await submit(history, row)
    cancelling = make_record(Phase.CANCELLING, 4, name=str(row))
    records = Records(history)
    await records.write([cancelling])
    await rows(history, "update jobs set phase = 'Cancelled', completed_at = :at returning id", at=NOW)
    await records.write([replace(cancelling, resource_version=5)])
    gone = replace(cancelling, phase=Phase.CANCELLED, resource_version=6, completed_at=NOW + timedelta(seconds=30))
    [end] = await records.write([gone])
    assert (end.id, end.phase, end.completed_at) == (row, Phase.CANCELLED, NOW)
    assert await records.write([gone]) == []


async def test_a_deleted_open_job_becomes_cancelled_and_a_finished_one_stays(history: History) -> None:
    running, done = make_record(Phase.RUNNING, 4), make_record(Phase.COMPLETED, 5, name="b")
    records = Records(history)
    await records.write([running, done])
    assert await records.in_cluster() == {running.uid, done.uid}
    [end] = await records.deleted([running.uid, done.uid])
    assert (end.uid, end.phase) == (running.uid, Phase.CANCELLED)
    assert await records.deleted([running.uid, done.uid]) == []
    assert await records.in_cluster() == set()
    found = await rows(history, "select phase, reason from jobs order by phase")
    assert [tuple(row) for row in found] == [("Cancelled", "Deleted"), ("Completed", "")]


async def test_a_completed_job_takes_the_summary_of_its_succeeded_attempt(history: History) -> None:
    done = make_record(Phase.COMPLETED, 9)
    await claim(history, done.uid, uuid4(), 1, outcome="failed", summary='{"score": "E"}')
    await claim(history, done.uid, uuid4(), 2, outcome="succeeded", summary='{"score": "B"}')
    records = Records(history)
    assert await records.summaries([done.uid, uuid4()]) == {done.uid: {"score": "B"}}
    await records.write([done])
    assert [row.summary for row in await rows(history, "select summary from jobs")] == [{"score": "B"}]


async def test_attempts_left_open_end_with_their_job(history: History) -> None:
    dead = make_record(Phase.FAILED, 9, failure_class="out-of-memory", message="Out of memory.")
    await claim(history, dead.uid, uuid4(), 1)
    await Records(history).write([dead])
    [row] = await rows(history, "select outcome, failure_class, ended_at is not null as over from attempts")
    assert tuple(row) == ("failed", "out-of-memory", True)


async def test_a_disrupted_pod_is_refunded_once_and_at_most_ten_times_a_job(history: History) -> None:
    job, pods, records = uuid4(), [uuid4() for _ in range(MAX_REFUNDS + 2)], Records(history)
    await claim(history, job, pods[0], 1)
    for _ in range(2):
        await records.pods_ended([disrupted(job, pod) for pod in pods])
    assert len(await rows(history, "select pod_uid from refunds")) == MAX_REFUNDS
    [row] = await rows(history, "select refunded, failure_class, message from attempts where pod_uid = :p", p=pods[0])
    assert tuple(row) == (True, "disruption", "Evicted.")


def disrupted(job: UUID, pod: UUID, at: datetime | None = NOW) -> PodEnd:
    return PodEnd(pod, job, FailureClass.DISRUPTION, "Evicted.", at, "EvictionByEvictionAPI")


async def test_a_pod_s_end_closes_its_open_attempt_with_what_the_cluster_saw(history: History) -> None:
    job, pod = uuid4(), uuid4()
    await claim(history, job, pod, 1)
    end = PodEnd(pod, job, FailureClass.OUT_OF_MEMORY, "It needed more memory.", LATER)
    await Records(history).pods_ended([end])
    await Records(history).pods_ended([end])
    [row] = await rows(history, "select outcome, failure_class, message, ended_at, refunded from attempts")
    assert tuple(row) == ("failed", "out-of-memory", "It needed more memory.", LATER, False)


async def test_a_disruption_under_way_refunds_but_leaves_the_attempt_open(history: History) -> None:
    job, pod = uuid4(), uuid4()
    await claim(history, job, pod, 1)
    await Records(history).pods_ended([disrupted(job, pod, at=None)])
    assert [tuple(row) for row in await rows(history, "select outcome, ended_at from attempts")] == [("", None)]
    assert len(await rows(history, "select pod_uid from refunds")) == 1


async def test_a_pod_s_end_never_touches_what_its_runner_told_but_a_disruption(history: History) -> None:
    job, pod, records = uuid4(), uuid4(), Records(history)
    for number, told in ((1, "transient"), (2, "disruption")):
        await claim(history, job, pod, number, outcome="failed")
        await rows(
            history,
            "update attempts set failure_class = :told, stage = 'cloning', ended_at = :at, message = 'told',"
            " number_in_pod = :number + 10"
            " where number = :number returning number",
            told=told, at=NOW, number=number,
        )  # fmt: skip
    await records.pods_ended([PodEnd(pod, job, FailureClass.TIMEOUT, "Its deadline was over.", LATER)])
    found = await rows(history, "select failure_class, message, ended_at from attempts order by number")
    assert [tuple(row) for row in found] == [("transient", "told", NOW), ("timeout", "Its deadline was over.", NOW)]


async def test_a_success_stays_one_whatever_became_of_its_pod(history: History) -> None:
    job, pod = uuid4(), uuid4()
    await claim(history, job, pod, 1, outcome="succeeded")
    await Records(history).pods_ended([disrupted(job, pod)])
    assert [row.outcome for row in await rows(history, "select outcome from attempts")] == ["succeeded"]


@pytest.mark.parametrize(
    ("phase", "reason", "told"),
    [(Phase.CANCELLED, "Cancelled", "cancelled"), (Phase.FAILED, "DeadlineExceeded", "timeout")],
)
async def test_what_a_stopped_runner_called_a_disruption_was_its_job_s_end(
    history: History, phase: Phase, reason: str, told: str
) -> None:
    job = make_record(phase, 9, reason=reason)
    await claim(history, job.uid, uuid4(), 1, outcome="failed")
    await rows(history, "update attempts set failure_class = 'disruption', stage = 'cloning' returning number")
    await Records(history).write([job])
    assert [row.failure_class for row in await rows(history, "select failure_class from attempts")] == [told]


async def test_a_failure_whose_pods_are_gone_takes_the_class_of_its_last_attempt(history: History) -> None:
    job = make_record(Phase.FAILED, 9, reason="AttemptsExhausted", failure_class="")
    await claim(history, job.uid, uuid4(), 1, outcome="failed")
    await rows(history, "update attempts set failure_class = 'stalled' returning number")
    [end] = await Records(history).write([job])
    assert end.failure_class == "stalled"
    for later in (replace(job, resource_version=12), replace(job, resource_version=13, failure_class="transient")):
        await Records(history).write([later])
        [row] = await rows(history, "select failure_class, resource_version from jobs")
        assert (row.failure_class, row.resource_version) == ("stalled", later.resource_version), "as it was told"


async def test_starts_of_deleted_jobs_still_count_for_the_rate(history: History) -> None:
    early = make_record(Phase.RUNNING, 4, admitted_at=NOW - timedelta(seconds=90), name="a")
    late = make_record(Phase.RUNNING, 4, admitted_at=NOW - timedelta(seconds=10), name="b")
    records = Records(history)
    await records.write([early, late])
    await records.deleted([late.uid])
    found = await records.starts_since(NOW - timedelta(seconds=61))
    assert found == [("analysis", str(late.uid), NOW - timedelta(seconds=10))]


async def test_what_no_column_can_hold_is_stored_without_it(history: History) -> None:
    odd = make_record(Phase.FAILED, 2, message="a\x00b" * 5000, spec={"queue": "q\x00", "config": {"x\x00": ["\x00"]}})
    await Records(history).write([odd])
    [row] = await rows(history, "select message, spec from jobs")
    assert row.message.startswith("abab")
    assert row.spec == {"queue": "q", "config": {"x": [""]}}


async def test_postgresql_away_is_one_error() -> None:
    async with History.connect("postgresql://postgres@127.0.0.1:9/none") as history:
        with pytest.raises(HistoryUnavailable):
            await Records(history).write([make_record()])


async def test_the_attempts_of_an_ended_job_are_told_with_its_end_and_only_then(history: History) -> None:
    records, dead = Records(history), make_record(Phase.RUNNING, 8)
    for number in (1, 2, 3):
        await claim(history, dead.uid, uuid4(), number, outcome="failed" if number < 3 else "")
    await rows(history, "update attempts set failure_class = 'transient' where outcome = 'failed' returning number")
    await claim(history, uuid4(), uuid4(), 1, outcome="succeeded")
    assert await records.write([dead]) == []
    failed = replace(dead, phase=Phase.FAILED, resource_version=9, failure_class="stalled", completed_at=NOW)
    [end] = await records.write([failed])
    assert end.failure_class == "stalled"
    assert sorted(end.attempts, key=lambda tried: tried.count) == [
        Tried("failed", "stalled", 1), Tried("failed", "transient", 2),
    ]  # fmt: skip
    assert await records.write([failed]) == []


async def test_what_its_pod_asks_for_is_kept_from_its_admission_on(history: History) -> None:
    record = make_record(resource_class="small", cpu_millis=250, memory_mib=256)
    later: dict[str, Any] = {"resource_class": "large", "cpu_millis": 4000, "memory_mib": 8192}
    await Records(history).write([record])
    waiting = replace(record, resource_version=2, **later)
    await Records(history).write([waiting])
    asked = "select resource_class, cpu_millis, memory_mib, kind from jobs"
    assert [tuple(row) for row in await rows(history, asked)] == [("large", 4000, 8192, "analysis")]
    admitted = replace(waiting, resource_version=3, phase=Phase.RUNNING, admitted_at=NOW)
    await Records(history).write([admitted])
    await Records(history).write([replace(admitted, resource_version=4, resource_class="", cpu_millis=0, kind="")])
    await Records(history).write([replace(record, resource_version=5, phase=Phase.COMPLETED, completed_at=NOW)])
    assert [tuple(row) for row in await rows(history, asked)] == [("large", 4000, 8192, "analysis")]


async def test_a_job_that_is_first_seen_after_its_admission_has_its_size(history: History) -> None:
    size: dict[str, Any] = {"resource_class": "small", "cpu_millis": 250, "memory_mib": 256}
    await Records(history).write([make_record(Phase.RUNNING, admitted_at=NOW, **size)])
    assert [tuple(row) for row in await rows(history, "select cpu_millis, memory_mib from jobs")] == [(250, 256)]

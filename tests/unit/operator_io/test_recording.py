"""The recorder keeps the newest status of each job until PostgreSQL has it, and counts an end once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from forge_core.history.database import HistoryUnavailable
from forge_core.history.notes import Note, What
from forge_core.history.records import End, JobRecord, Records
from forge_core.phase import Phase
from forge_core.resource import RetentionRule
from forge_operator.digests import AnalysisJobDigest, Kind
from forge_operator.ended import Rule
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink
from forge_operator.picture import Picture
from forge_operator.record.flight import Flight
from forge_operator.record.recorder import STANDBY_SECONDS, Recorder
from forge_operator.record.rows import record_of
from forge_operator.record.summaries import Summaries, small
from tests.builders.operator import NOW, ago, make_child, make_job, make_namespace, make_pod, make_queue, with_status
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


@dataclass
class MemoryRecords:
    """A history in memory, which can be away and can refuse a row."""

    away: bool = False
    refuses: UUID | None = None
    written: list[list[JobRecord]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    gone: list[UUID] = field(default_factory=list)
    stored: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    async def write(self, records: Sequence[JobRecord], notes: Sequence[Note] = ()) -> list[End]:
        self._answer()
        if self.refuses in {each.uid for each in records} | {each.job_uid for each in notes}:
            raise ValueError("a row that no column can hold")
        self.written.append(list(records))
        self.notes += notes
        return [
            End(r.uid, r.uid, r.tenant, r.queue, r.phase, "", r.message, r.started_at, r.completed_at)
            for r in records
            if r.phase.terminal
        ]

    async def deleted(self, uids: Sequence[UUID]) -> list[End]:
        self._answer()
        self.gone += uids
        return []

    async def summaries(self, uids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        self._answer()
        return {uid: self.stored[uid] for uid in uids if uid in self.stored}

    async def starts_since(self, _moment: datetime) -> list[tuple[str, str, datetime]]:
        self._answer()
        return [("analysis", str(uuid4()), NOW)]

    def _answer(self) -> None:
        if self.away:
            raise HistoryUnavailable("away")

    @property
    def records(self) -> list[JobRecord]:
        return [record for batch in self.written for record in batch]


@dataclass
class Desk:
    """A recorder beside its picture, which lists nothing yet unless `listed`."""

    history: MemoryRecords = field(default_factory=MemoryRecords)
    leading: bool = True
    picture: Picture = field(default_factory=lambda: Picture(NOW))

    def __post_init__(self) -> None:
        self.metrics = Metrics(list)
        self.flight = Flight(self.picture, lambda: self.leading, most=20)
        records = cast("Records", self.history)
        self.recorder = Recorder(records, self.picture, self.metrics, lambda: self.leading, self.flight)
        self.sink = Sink(self.picture, self.metrics, self.recorder.heard)

    def listed(self) -> "Desk":
        self.sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(), "list")
        self.sink.seen(Kind.JOB_QUEUE, "ADDED", make_queue(), "list")
        for kind in Kind:
            self.picture.relisted(kind, {held.uid for held in self.picture.held(kind)}, 99)
        return self

    def see(self, raw: dict[str, Any], event: str = "MODIFIED") -> None:
        self.sink.seen(Kind.ANALYSIS_JOB, event, raw, "kopf")


def job(name: str = "job", **changes: Any) -> dict[str, Any]:
    raw = make_job(name, **changes)
    raw["metadata"]["uid"] = str(uuid4())
    return raw


def completed(raw: dict[str, Any], version: int = 30) -> dict[str, Any]:
    return with_status(raw, version, phase="Completed", startedAt=ago(20), completedAt=ago(8), progress=100)


async def test_of_several_statuses_only_the_newest_is_written() -> None:
    desk, raw = Desk().listed(), job()
    desk.see(raw)
    desk.see(with_status(raw, 20, phase="Running", progress=10))
    desk.see(with_status(raw, 21, phase="Running", progress=20))
    await desk.recorder.flush()
    [record] = desk.history.records
    assert (record.phase, record.progress, record.resource_version) == (Phase.RUNNING, 20, 21)
    assert (record.tenant, record.kind, record.priority) == ("tenant-a", "analysis", 5)
    assert desk.recorder.backlog == 0


async def test_nothing_is_written_before_tenants_and_queues_are_listed() -> None:
    desk = Desk()
    desk.see(job())
    await desk.recorder.flush()
    assert desk.history.written == []
    await desk.listed().recorder.flush()
    assert [record.tenant for record in desk.history.records] == ["tenant-a"]


async def test_while_postgresql_is_away_everything_waits_and_the_picture_is_told() -> None:
    desk, raw = Desk().listed(), job()
    desk.history.away = True
    desk.see(raw)
    keeping = asyncio.create_task(desk.recorder.keep())
    try:
        await eventually(lambda: _is(lambda: bool(desk.picture.away)), what="the outage is known")
        desk.see(completed(raw))
        assert desk.recorder.backlog == 1
        desk.history.away = False
        await eventually(lambda: _is(lambda: desk.recorder.backlog == 0), what="the history caught up")
        assert [record.phase for record in desk.history.records] == [Phase.COMPLETED]
        assert not desk.picture.away
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_a_standby_writes_nothing_and_has_everything_when_it_takes_over() -> None:
    desk = Desk(leading=False).listed()
    desk.see(job())
    await desk.recorder.flush()
    assert desk.history.written == []
    desk.leading = True
    await desk.recorder.flush()
    assert len(desk.history.records) == 1


async def test_a_standby_forgets_the_jobs_that_are_gone_and_none_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, moment = Desk(leading=False).listed(), 1000.0
    monkeypatch.setattr("forge_operator.record.recorder.time.monotonic", lambda: moment)
    there = job("there")
    desk.see(there)
    for _ in range(50):
        passing = job()
        desk.see(passing)
        desk.see(completed(passing), "DELETED")
        desk.recorder.vanished([str(uuid4())])
        moment += STANDBY_SECONDS / 10
        assert desk.recorder.backlog <= 1 + 3 * 12
    desk.leading = True
    await desk.recorder.flush()
    assert there["metadata"]["uid"] in {str(record.uid) for record in desk.history.records}
    assert len(desk.history.gone) <= 2 * 12


async def test_a_row_that_the_database_refuses_keeps_no_other_waiting() -> None:
    desk, bad = Desk().listed(), job("bad")
    desk.history.refuses = UUID(bad["metadata"]["uid"])
    for raw in (job("a"), job("b"), bad, job("c")):
        desk.see(raw)
    await desk.recorder.flush()
    assert {record.name for record in desk.history.records} == {"a", "b", "c"}
    assert desk.recorder.backlog == 0


async def test_a_deleted_job_is_written_before_it_is_marked() -> None:
    desk, raw = Desk().listed(), job()
    desk.see(raw)
    desk.see(with_status(raw, 20, phase="Running"), "DELETED")
    await desk.recorder.flush()
    uid = UUID(raw["metadata"]["uid"])
    assert [record.uid for record in desk.history.records] == [uid]
    assert desk.history.gone == [uid]


async def test_only_what_the_database_holds_may_be_retired() -> None:
    desk, bad, open_job = Desk().listed(), job("bad"), job("open")
    desk.history.refuses = UUID(bad["metadata"]["uid"])
    ends = [completed(bad), completed(job("good"))]
    for raw in (*ends, with_status(open_job, 30, phase="Running")):
        desk.see(raw)
    rule = RetentionRule(age=0, count=0)
    assert list(desk.picture.ended.over("analysis", Rule.COMPLETED, rule, NOW)) == []
    await desk.recorder.flush()
    [(_, uid)] = desk.picture.ended.over("analysis", Rule.COMPLETED, rule, NOW)
    assert desk.picture.analysis_jobs[uid].name == "good"


async def test_notes_of_the_timeline_ride_in_the_transaction_of_the_statuses() -> None:
    desk, raw = Desk().listed(), job()
    desk.see(with_status(raw, 20, phase="Running"))
    desk.see(with_status(raw, 21, phase="Cancelling"))
    await desk.recorder.flush()
    assert len(desk.history.written) == 1
    assert [note.what for note in desk.history.notes] == [What.CANCELLING]
    await desk.recorder.flush()
    assert (len(desk.history.written), len(desk.history.notes)) == (1, 1)


async def test_notes_alone_are_written_without_waiting_for_a_status() -> None:
    desk, raw = Desk().listed(), job()
    desk.see(raw)
    await desk.recorder.flush()
    keeping = asyncio.create_task(desk.recorder.keep())
    try:
        child = make_child(raw)
        desk.sink.seen(Kind.JOB, "ADDED", child, "watch")
        desk.sink.seen(Kind.POD, "ADDED", make_pod(child), "watch")
        await eventually(lambda: _is(lambda: bool(desk.history.notes)), what="the notes are written")
        assert desk.history.records == [desk.history.records[0]]
        assert desk.flight.waiting == 0
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_while_postgresql_is_away_notes_wait_in_bounded_memory_and_hold_up_no_phase() -> None:
    desk = Desk().listed()
    desk.history.away = True
    jobs = [job(f"job-{number}") for number in range(30)]
    for raw in jobs:
        desk.see(with_status(raw, 20, phase="Running"))
        desk.see(with_status(raw, 21, phase="Cancelling"))
    with pytest.raises(HistoryUnavailable):
        await desk.recorder.flush()
    desk.history.away = False
    await desk.recorder.flush()
    assert {record.phase for record in desk.history.records} == {Phase.CANCELLING}
    assert len(desk.history.records) == 30
    dropped = [note for note in desk.history.notes if note.what is What.DROPPED]
    assert [note.job_uid for note in dropped] == [UUID(raw["metadata"]["uid"]) for raw in jobs[:10]]
    assert len(desk.history.notes) == 30
    assert desk.flight.waiting == 0


async def test_a_note_that_the_database_refuses_keeps_neither_statuses_nor_other_notes_waiting() -> None:
    desk, bad = Desk().listed(), job("bad")
    for raw in (job("a"), bad, job("b")):
        desk.see(with_status(raw, 20, phase="Running"))
        desk.see(with_status(raw, 21, phase="Cancelling"))
    desk.history.refuses = UUID(bad["metadata"]["uid"])
    await desk.recorder.flush()
    assert {record.name for record in desk.history.records} == {"a", "b"}
    assert len(desk.history.notes) == 2
    assert (desk.recorder.backlog, desk.flight.waiting) == (0, 0)


async def test_an_end_is_counted_with_its_duration() -> None:
    desk = Desk().listed()
    desk.see(completed(job()))
    await desk.recorder.flush()
    text = desk.metrics.text().decode()
    assert 'jobs_processed_total{queue="analysis",status="completed"} 1.0' in text
    assert 'job_duration_seconds_bucket{le="10.0",queue="analysis"} 0.0' in text
    assert 'job_duration_seconds_bucket{le="30.0",queue="analysis"} 1.0' in text


async def test_starts_of_before_come_from_the_history() -> None:
    desk = Desk().listed()
    await desk.recorder.recall_starts(NOW)
    assert desk.picture.history_known


async def test_the_class_of_a_failure_is_recorded() -> None:
    desk, raw = Desk().listed(), job()
    failed = with_status(raw, 30, phase="Failed", message="Out of memory.", conditions=[
        {"type": "Failed", "status": "True", "reason": "AttemptsExhausted", "message": "Out of memory."}])  # fmt: skip
    child = make_child(raw)
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": ago(20), "finishedAt": ago(3)}}
    desk.sink.seen(Kind.JOB, "ADDED", child, "watch")
    desk.sink.seen(Kind.POD, "ADDED", make_pod(child, phase="Failed", state=killed), "watch")
    desk.see(failed)
    [digest] = desk.picture.held(Kind.ANALYSIS_JOB)
    assert isinstance(digest, AnalysisJobDigest)
    record = record_of(desk.picture, digest)
    assert record is not None
    assert (record.reason, record.failure_class) == ("AttemptsExhausted", "out-of-memory")
    assert record.last_pod_ended_at is not None


def test_what_its_pod_asks_for_is_recorded() -> None:
    desk = Desk().listed()
    sizes = {"small": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
             "limited": {"limits": {"cpu": "2", "memory": "1G"}}, "free": {},
             "odd": {"requests": {"cpu": "much", "memory": "9E"}}}  # fmt: skip
    queue = make_queue(version=7, resourceClasses=sizes, defaultResourceClass="small")
    desk.sink.seen(Kind.JOB_QUEUE, "MODIFIED", queue, "kopf")
    asked = {
        "": ("small", 250, 256),
        "limited": ("limited", 2000, 954),
        "free": ("free", 0, 0),
        "odd": ("odd", 0, 2**31 - 1),
        "gone": ("", 0, 0),
    }
    for name, expected in asked.items():
        raw = job(f"of-{name}", **({"resourceClass": name} if name else {}))
        desk.see(raw)
        record = record_of(desk.picture, desk.picture.analysis_jobs[raw["metadata"]["uid"]])
        assert record is not None
        assert (record.resource_class, record.cpu_millis, record.memory_mib) == expected, name


async def test_summaries_wanted_together_are_read_together_and_an_outage_leaves_them_out() -> None:
    history = MemoryRecords()
    first, second = uuid4(), uuid4()
    history.stored = {first: {"score": 81, "grade": "B"}}
    summaries = Summaries(cast("Records", history))
    assert list(await asyncio.gather(*map(summaries.small, (str(first), str(second))))) == [
        {"score": 81, "grade": "B"}, {},
    ]  # fmt: skip
    history.away = True
    assert await summaries.small(str(first)) == {}


def test_the_score_and_the_counts_of_a_summary_go_to_the_status_and_its_lists_do_not() -> None:
    score = {"value": 81.5, "grade": "B", "dimensions": {"security": {"value": 70, "grade": "C"}}}
    findings = {"total": 40, "bySeverity": {"high": 2}, "byRule": {f"R{number}": 1 for number in range(40)}}
    summary = {"score": score, "findings": findings, "recommendations": [{"title": "x"}], "note": "x" * 500}
    assert small(summary) == {"score": score, "findings": {"total": 40, "bySeverity": {"high": 2}}}


async def _is(condition: Any) -> bool:
    return bool(condition())


def test_a_sandbox_counts_in_what_a_pod_asks_for() -> None:
    desk = Desk().listed()
    sizes = {"small": {"requests": {"cpu": "250m", "memory": "256Mi"}}}
    sandbox = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    queue = make_queue(version=7, resourceClasses=sizes, defaultResourceClass="small", sandbox=sandbox)
    desk.sink.seen(Kind.JOB_QUEUE, "MODIFIED", queue, "kopf")
    raw = job("sandboxed")
    desk.see(raw)
    record = record_of(desk.picture, desk.picture.analysis_jobs[raw["metadata"]["uid"]])
    assert record is not None
    assert (record.cpu_millis, record.memory_mib) == (350, 1280)

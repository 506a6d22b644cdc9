"""Breaches of SLAs on a real PostgreSQL: the row decides, once, and the alert is in the same transaction."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from forge_core.history.breaches import Breach
from forge_core.history.database import History, HistoryUnavailable
from forge_core.history.queries import Queries
from forge_core.history.records import JobRecord, Records
from forge_core.phase import Phase
from forge_core.resource import SlaClock
from forge_operator.actions import NoteBreaches
from forge_operator.apply.writes import Writes
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink
from forge_operator.picture import Picture
from forge_operator.record.flight import Flight
from forge_operator.record.recorder import Recorder
from tests.builders.operator import NOW as BUILT
from tests.builders.operator import ago, make_job, make_namespace, make_queue, with_status
from tests.integration.outbox.conftest import NOW
from tests.services.wire import wire

pytestmark = pytest.mark.anyio
LIMIT = 300.0
DUE = NOW + timedelta(seconds=LIMIT + 1)


def record(phase: Phase = Phase.RUNNING, version: int = 2, **changes: Any) -> JobRecord:
    made = JobRecord(
        uid=uuid4(), resource_version=version, tenant="t", namespace="tenant-t", name="job", queue="analysis",
        kind="analysis", spec={"queue": "analysis"}, priority=1, phase=phase, created_at=NOW, started_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)


def breach(uid: UUID, clock: SlaClock = SlaClock.STARTED, at: datetime = DUE) -> Breach:
    return Breach(uid, clock, NOW, LIMIT, at)


async def rows(history: History, statement: str, **values: Any) -> list[Any]:
    async with history.begin() as connection:
        return list((await connection.execute(text(statement), values)).all())


async def alerts(history: History) -> list[Any]:
    return await rows(history, "select * from outbox where channel = 'alerts' order by position")


async def claim(history: History, job: UUID, at: datetime) -> None:
    await rows(
        history,
        "insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at, outcome, failure_class,"
        " message, stage, refunded) values (:job, 1, :pod, 'p', 1, :at, '', '', '', '', false) returning number",
        job=job, pod=uuid4(), at=at,
    )  # fmt: skip


async def test_a_breach_is_noted_with_its_alert_and_only_once(history: History) -> None:
    records, job = Records(history), record()
    await records.write([job])
    noted = await records.breaches([breach(job.uid)])
    assert noted.new == {job.uid: "analysis"}
    [alert] = await alerts(history)
    assert (alert.type, alert.channel, alert.job_id, alert.published_at) == ("sla.breached", "alerts", job.uid, None)
    assert alert.event["data"]["limitSeconds"] == LIMIT
    assert alert.event["time"] == "2026-01-02T03:09:06Z"
    again = await records.breaches([breach(job.uid, at=DUE + timedelta(hours=1))])
    assert again.settled == {job.uid}
    assert not again.new
    assert len(await alerts(history)) == 1
    found = await Queries(history).job("t", job.uid)
    assert found is not None
    assert found.sla_breached_at == DUE


async def test_two_operators_at_once_note_it_once(history: History) -> None:
    records, jobs = Records(history), [record(name=f"job-{number}") for number in range(50)]
    await records.write(jobs)
    both = await asyncio.gather(
        records.breaches([breach(job.uid) for job in jobs]), records.breaches([breach(job.uid) for job in jobs[::-1]])
    )
    assert sum(len(noted.new) for noted in both) == 50
    assert len(await alerts(history)) == 50


async def test_a_job_without_a_row_is_asked_about_again(history: History) -> None:
    noted = await Records(history).breaches([breach(uuid4())])
    assert (noted.settled, noted.new) == (frozenset(), {})


@pytest.mark.parametrize(
    ("ended", "new"),
    [
        (record(Phase.COMPLETED, completed_at=DUE - timedelta(seconds=1)), False),
        (record(Phase.COMPLETED, completed_at=DUE), True),
        (record(Phase.FAILED, completed_at=DUE), True),
        (record(Phase.CANCELLED, completed_at=DUE), False),
        (record(Phase.CANCELLING), False),
    ],
    ids=["in time", "late", "failed late", "cancelled", "being cancelled"],
)
async def test_the_row_decides_whether_a_breach_is_one(history: History, ended: JobRecord, new: bool) -> None:
    records = Records(history)
    await records.write([ended])
    noted = await records.breaches([breach(ended.uid)])
    assert noted.settled == {ended.uid}
    assert bool(noted.new) is new
    assert len(await alerts(history)) == new


@pytest.mark.parametrize(("at", "new"), [(-0.001, False), (0, True), (None, True)])
async def test_a_first_attempt_is_in_time_by_its_claim(history: History, at: float | None, new: bool) -> None:
    records, job = Records(history), record()
    await records.write([job])
    if at is not None:
        await claim(history, job.uid, DUE + timedelta(seconds=at))
    noted = await records.breaches([breach(job.uid, SlaClock.FIRST_ATTEMPT)])
    assert bool(noted.new) is new


async def test_a_late_end_between_two_looks_is_told_by_its_recording_and_counted_once(history: History) -> None:
    late = record(Phase.COMPLETED, completed_at=DUE + timedelta(seconds=5))
    late = replace(late, breach=breach(late.uid))
    in_time = record(Phase.COMPLETED, completed_at=DUE - timedelta(seconds=5))
    in_time = replace(in_time, breach=breach(in_time.uid))
    records = Records(history)
    ends = {end.uid: end for end in await records.write([late, in_time])}
    assert (ends[late.uid].breached, ends[in_time.uid].breached) == (True, False)
    assert await records.write([late, in_time]) == []
    [alert] = await alerts(history)
    assert (alert.job_id, alert.event["data"]["seconds"]) == (late.uid, 306)
    metrics = Metrics(list)
    metrics.ended(ends.values())
    assert metrics.registry.get_sample_value("forge_sla_breaches_total", {"queue": "analysis"}) == 1


async def test_a_breach_that_was_told_while_the_job_ran_is_not_told_by_its_end(history: History) -> None:
    records, job = Records(history), record()
    await records.write([job])
    await records.breaches([breach(job.uid)])
    ended = replace(job, phase=Phase.FAILED, resource_version=9, completed_at=DUE, breach=breach(job.uid))
    [end] = await records.write([ended])
    assert not end.breached
    assert len(await alerts(history)) == 1


async def test_an_end_of_before_that_was_recorded_is_never_told_later(history: History) -> None:
    """A limit that was lowered since must not make breaches of old jobs when an operator begins anew."""
    old = record(Phase.COMPLETED, completed_at=DUE + timedelta(seconds=5))
    records = Records(history)
    await records.write([old])
    assert await records.write([replace(old, breach=breach(old.uid))]) == []
    assert await alerts(history) == []


class Desk:
    """An operator's memory over a real history: what it sees is decided and written."""

    def __init__(self, history: History) -> None:
        self.metrics = Metrics(list)
        self.picture = Picture(BUILT)
        self.records = Records(history)
        flight = Flight(self.picture, lambda: True)
        self.recorder = Recorder(self.records, self.picture, self.metrics, lambda: True, flight)
        self.sink = Sink(self.picture, self.metrics, self.recorder.heard)
        for kind, raw in ((Kind.NAMESPACE, make_namespace()), (Kind.JOB_QUEUE, make_queue(sla={"limit": "5m"}))):
            self.sink.seen(kind, "ADDED", raw, "list")
        for kind in Kind:
            self.picture.relisted(kind, {held.uid for held in self.picture.held(kind)}, 9)
        nothing: Any = None
        self.writes = Writes(nothing, self.sink, self.records, nothing, lambda: True)

    def see(self, raw: dict[str, Any]) -> None:
        self.sink.seen(Kind.ANALYSIS_JOB, "MODIFIED", raw, "watch")

    async def turn(self, after: float) -> int:
        """Decide so many seconds later and write what is to be told; how many clocks that were."""
        actions = [a for a in decide(self.picture, BUILT + timedelta(seconds=after)) if isinstance(a, NoteBreaches)]
        for action in actions:
            await self.writes.write(action)
        return sum(len(action.clocks) for action in actions)

    @property
    def counted(self) -> float:
        return self.metrics.registry.get_sample_value("forge_sla_breaches_total", {"queue": "analysis"}) or 0.0


def running() -> dict[str, Any]:
    raw = make_job(age=300)
    raw["metadata"]["uid"] = str(uuid4())
    return with_status(raw, 30, phase="Running", startedAt=ago(200))


async def test_a_breach_survives_an_operator_and_is_counted_by_the_one_that_told_it(history: History) -> None:
    first, raw = Desk(history), running()
    first.see(raw)
    assert await first.turn(102) == 1, "its row isn't there yet"
    assert first.counted == 0
    await first.recorder.flush()
    assert await first.turn(103) == 1
    assert await first.turn(104) == 0
    assert first.counted == 1
    second = Desk(history)
    second.see(raw)
    assert await second.turn(200) == 1, "it asks the row"
    assert await second.turn(201) == 0
    assert second.counted == 0
    assert len(await alerts(history)) == 1


async def test_a_breach_while_postgresql_is_away_is_told_later_with_its_true_time(history_url: str) -> None:
    port = int(history_url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])
    with wire(port) as between:
        async with History.connect(history_url.replace(f":{port}/", f":{between.port}/")) as history:
            desk, raw = Desk(history), running()
            desk.see(raw)
            await desk.recorder.flush()
            between.cut()
            with pytest.raises(HistoryUnavailable):
                await desk.turn(102)
            between.mend()
            assert await desk.turn(4000) == 1
            [alert] = await alerts(history)
            assert alert.event["time"] == "2026-03-01T12:01:41Z"
            assert desk.counted == 1

"""A breach is told when the clock runs out, once, and only when it is one."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.durations import timestamp
from forge_core.resource import SlaClock, SlaSpec
from forge_operator.actions import NoteBreaches
from forge_operator.decide import decide
from forge_operator.digesting import read
from forge_operator.digests import AnalysisJobDigest, Kind
from forge_operator.picture import Picture
from forge_operator.record.rows import record_of
from forge_operator.sla import SETTLES, Clock, Clocks, breaches, clock_of
from tests.builders.operator import NOW, ago, condition, make_child, make_job, make_picture, make_queue, with_status

SLA = {"limit": "5m", "clock": "started"}
RUNNING: dict[str, Any] = {"phase": "Running", "startedAt": ago(200), "conditions": [condition("Admitted", "Admitted")]}


def picture_of(*jobs: dict[str, Any], sla: dict[str, Any] | None = None) -> Picture:
    queue = make_queue(version=6, sla=sla or SLA)
    return make_picture([(Kind.JOB_QUEUE, queue), *((Kind.ANALYSIS_JOB, job) for job in jobs)])


def told(picture: Picture, after: float) -> list[Clock]:
    """The clocks that a decision so many seconds after NOW tells of."""
    actions = decide(picture, NOW + timedelta(seconds=after))
    return [clock for action in actions if isinstance(action, NoteBreaches) for clock in action.clocks]


def running(name: str = "job", started: float = 200, version: int = 11, **spec: Any) -> dict[str, Any]:
    return with_status(make_job(name, age=300, **spec), version, **{**RUNNING, "startedAt": ago(started)})


def test_a_job_that_runs_is_told_of_when_its_clock_runs_out_and_not_before() -> None:
    picture = picture_of(running(started=200))
    assert told(picture, 100) == []
    [clock] = told(picture, 102)
    assert clock.due == NOW + timedelta(seconds=101)
    assert (clock.kind, clock.limit) == (SlaClock.STARTED, 300)


def test_what_the_history_has_decided_is_not_told_again_whatever_happens_to_the_job() -> None:
    picture = picture_of(running())
    picture.clocks.told(clock.uid for clock in told(picture, 102))
    assert told(picture, 103) == []
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", running(version=40))
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=41, sla={"limit": "1m"}))
    assert told(picture, 104) == []


def test_what_the_history_did_not_take_is_told_again_with_the_same_time() -> None:
    picture = picture_of(running())
    assert told(picture, 102) == told(picture, 900) != []


def test_a_job_that_waits_has_no_clock_that_counts_from_its_start() -> None:
    assert told(picture_of(make_job(age=3000)), 0) == []


def test_a_job_that_waits_too_long_is_told_of_when_the_clock_counts_from_its_creation() -> None:
    [clock] = told(picture_of(make_job(age=3000), sla={"limit": "5m", "clock": "queued"}), 0)
    assert clock.due == NOW - timedelta(seconds=3000 - 301)


def test_a_delivery_without_an_attempt_within_five_seconds_is_told_of() -> None:
    sla = {"limit": "5s", "clock": "first-attempt"}
    assert told(picture_of(make_job(age=6), sla=sla), 0.9) == []
    [clock] = told(picture_of(make_job(age=6), sla=sla), 1)
    assert clock.kind is SlaClock.FIRST_ATTEMPT


@pytest.mark.parametrize(
    "job",
    [
        running(cancel=True),
        with_status(make_job(age=300), **{**RUNNING, "phase": "Cancelled", "completedAt": ago(1)}),
        with_status(make_job(age=300), **{**RUNNING, "phase": "Completed", "completedAt": ago(1)}),
    ],
    ids=["cancelled by request", "cancelled", "completed"],
)
def test_a_job_that_is_cancelled_or_over_is_not_told_of_by_its_clock(job: dict[str, Any]) -> None:
    assert told(picture_of(job), 1000) == []


def test_a_job_that_was_deleted_is_not_told_of() -> None:
    picture = picture_of(running())
    picture.observe(Kind.ANALYSIS_JOB, "DELETED", running(version=50))
    assert told(picture, 1000) == []


def test_a_job_whose_outcome_is_decided_is_left_to_its_end() -> None:
    job = running()
    child = make_child(job, conditions=[condition("SuccessCriteriaMet", "CompletionsReached")])
    picture = picture_of(job)
    picture.observe(Kind.JOB, "ADDED", child)
    assert told(picture, 102) == []


def test_nothing_is_told_while_postgresql_is_away_and_everything_afterwards() -> None:
    picture = picture_of(*(running(f"job-{number}") for number in range(3)))
    picture.dependency("PostgreSQL", "refused")
    assert told(picture, 500) == []
    picture.dependency("PostgreSQL", "")
    assert len(told(picture, 1000)) == 3


def test_a_limit_that_is_changed_holds_for_jobs_that_run() -> None:
    picture = picture_of(running(started=200))
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=20, sla={"limit": "1m"}))
    [clock] = told(picture, 0)
    assert clock.due == NOW - timedelta(seconds=200 - 61)
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=21, sla={"limit": "1h"}))
    assert told(picture, 102) == []
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=22))
    assert told(picture, 100_000) == []


def test_a_queue_that_is_listed_after_its_jobs_sets_their_clocks() -> None:
    picture = Picture(NOW)
    picture.observe(Kind.ANALYSIS_JOB, None, running())
    picture.observe(Kind.JOB_QUEUE, None, make_queue(sla=SLA))
    assert [clock.limit for clock in picture.clocks.out(NOW + timedelta(seconds=500))] == [300]


def test_a_batch_takes_those_that_ran_out_first() -> None:
    picture = picture_of(*(running(f"job-{number}", started=300 + number % 700) for number in range(1200)))
    first = told(picture, 1000)
    assert len(first) == 500
    latest = max(clock.due for clock in first)
    picture.clocks.told(clock.uid for clock in first)
    assert all(clock.due >= latest for clock in told(picture, 1000))


def test_a_decision_looks_only_at_clocks_that_ran_out() -> None:
    picture = picture_of(*(running(f"job-{number}", started=100) for number in range(300)), running("late", 299))
    looked: list[str] = []

    def job_of(job: AnalysisJobDigest) -> None:
        looked.append(job.name)

    picture.job_of = job_of  # type: ignore[method-assign]
    [action] = breaches(picture, NOW + timedelta(seconds=5))
    assert ([clock.uid for clock in action.clocks], looked) == ([picture_uid("late")], ["late"])


def picture_uid(name: str) -> str:
    return str(make_job(name)["metadata"]["uid"])


def test_a_start_at_the_end_of_the_calendar_is_no_start() -> None:
    job = with_status(make_job(), phase="Running", startedAt="9999-12-31T23:59:59Z")
    assert told(picture_of(job), 0) == []


@pytest.mark.parametrize(("taken", "breached"), [(300, False), (301, True)])
def test_the_record_of_an_end_says_when_its_clock_ran_out(taken: float, breached: bool) -> None:
    job = make_job(age=2000)
    job["metadata"]["uid"] = str(UUID(int=7))
    ended = with_status(job, phase="Completed", startedAt=ago(1000), completedAt=ago(1000 - taken))
    picture = picture_of(ended)
    record = record_of(picture, picture.analysis_jobs[str(UUID(int=7))])
    assert record is not None
    assert record.breach is not None
    assert record.completed_at is not None
    assert (record.completed_at >= record.breach.at) is breached


def test_the_record_of_a_job_that_never_started_has_no_clock_that_counts_from_its_start() -> None:
    job = make_job(age=2000)
    job["metadata"]["uid"] = str(UUID(int=7))
    picture = picture_of(with_status(job, phase="Failed", completedAt=ago(1)))
    record = record_of(picture, picture.analysis_jobs[str(UUID(int=7))])
    assert record is not None
    assert record.breach is None


def digest(uid: int, started: float | None, phase: str = "Running") -> AnalysisJobDigest:
    job = make_job(f"job-{uid}")
    status: dict[str, Any] = {"startedAt": timestamp(NOW + timedelta(seconds=started))} if started is not None else {}
    found = read(Kind.ANALYSIS_JOB, with_status(job, phase=phase, **status))
    assert isinstance(found, AnalysisJobDigest)
    return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 6), st.none() | st.integers(0, 400), st.sampled_from([60, 300, None])),
        st.tuples(st.just("end"), st.integers(0, 6)),
        st.tuples(st.just("remove"), st.integers(0, 6)),
        st.tuples(st.just("tell"), st.integers(0, 6)),
        st.tuples(st.just("look"), st.integers(0, 900)),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_heap_answers_as_a_scan_over_all_jobs_would(steps: list[tuple[Any, ...]]) -> None:
    clocks, jobs, said = Clocks(), dict[str, Clock | None](), set[str]()
    for step in steps:
        match step:
            case ("put", int(number), started, limit):
                job = digest(number, started)
                sla = SlaSpec(limit=limit) if limit is not None else None
                clocks.put(job, sla)
                jobs[job.uid] = clock_of(job, sla)
            case ("end" | "remove" as how, int(number)):
                job = digest(number, 0, "Completed")
                clocks.put(job, SlaSpec(limit=60)) if how == "end" else clocks.remove(job.uid)
                jobs.pop(job.uid, None)
                said.discard(job.uid)
            case ("tell", int(number)):
                uid = digest(number, 0).uid
                clocks.told([uid])
                said |= {uid} if jobs.get(uid) else set()
            case ("look", int(after)):
                moment = NOW + timedelta(seconds=after)
                wanted = {c for uid, c in jobs.items() if c is not None and uid not in said and c.due <= moment}
                assert set(clocks.out(moment)) == wanted


@given(started=st.floats(0, 0.999), took=st.floats(0, 20), limit=st.integers(1, 10))
def test_no_cutting_of_times_to_seconds_makes_a_breach_that_was_none(started: float, took: float, limit: int) -> None:
    def cut(seconds: float) -> datetime:
        return (NOW + timedelta(seconds=seconds)).replace(microsecond=0)

    clock = Clock("u", SlaClock.STARTED, cut(started), limit)
    if cut(started + took) >= clock.due:
        assert took > limit
    if took >= limit + 2:
        assert cut(started + took) >= clock.due
    assert clock.due + SETTLES <= NOW + timedelta(seconds=started + limit + 2)

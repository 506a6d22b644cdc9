"""Notices share one budget, and a waiting job's is written only when its gate changes."""

from datetime import timedelta

from forge_operator.actions import Action, PatchStatus
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.notices import WRITES_A_SECOND
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NOW,
    Raw,
    condition,
    make_child,
    make_job,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

FULL = (Kind.JOB_QUEUE, make_queue(version=6, concurrency=0))
PAUSED = (Kind.JOB_QUEUE, make_queue(version=7, paused=True))


def _told(reason: Reason) -> Raw:
    admitted = {**condition("Admitted", reason, "an older sentence"), "status": "False"}
    return with_status(make_job(), phase="Queued", conditions=[admitted], message="an older sentence")


def _spare(actions: list[Action]) -> list[PatchStatus]:
    return [action for action in actions if isinstance(action, PatchStatus) and action.spare]


def test_a_notice_is_not_written_again_while_the_gate_is_the_same() -> None:
    picture = make_picture([FULL, (Kind.ANALYSIS_JOB, _told(Reason.CONCURRENCY_REACHED))])
    assert decide(picture, NOW) == []


def test_a_notice_is_written_again_when_another_gate_refuses() -> None:
    picture = make_picture([PAUSED, (Kind.ANALYSIS_JOB, _told(Reason.CONCURRENCY_REACHED))])
    (patch,) = _spare(decide(picture, NOW))
    assert "paused" in patch.status["message"]


def test_a_job_a_moment_old_is_not_written_about() -> None:
    picture = make_picture([FULL, (Kind.ANALYSIS_JOB, make_job(age=1))])
    assert decide(picture, NOW) == []
    assert len(_spare(decide(picture, NOW + timedelta(seconds=1)))) == 1


def test_the_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    admitted = {**condition("Admitted", "QueuePaused", since=500), "status": "False"}
    told = with_status(make_job(), phase="Queued", conditions=[admitted, condition("Other", "Foreign", since=900)])
    (patch,) = _spare(decide(make_picture([FULL, (Kind.ANALYSIS_JOB, told)]), NOW))
    by_type = {one["type"]: one for one in patch.status["conditions"]}
    assert by_type["Admitted"]["lastTransitionTime"] == admitted["lastTransitionTime"]
    assert by_type["Other"]["reason"] == "Foreign"


def _running(count: int) -> Picture:
    objects: list[tuple[Kind, Raw]] = [(Kind.JOB_QUEUE, make_queue(version=6, concurrency=1000))]
    for number in range(count):
        job = make_job(f"job-{number:03}")
        child = make_child(job)
        runs = with_status(job, phase="Running", conditions=[condition("Admitted", "Admitted")])
        objects += [(Kind.ANALYSIS_JOB, runs), (Kind.JOB, child), (Kind.POD, make_pod(child))]
    picture = make_picture(objects)
    for uid in picture.analysis_jobs:
        picture.report(uid, Report(50, "analysing", 1))
    return picture


def test_one_second_sees_no_more_notices_than_the_budget() -> None:
    picture = _running(WRITES_A_SECOND + 30)
    first = decide(picture, NOW)
    assert len(first) == WRITES_A_SECOND
    for action in _spare(first)[:20]:
        picture.noticed(action.uid, NOW)
    assert len(decide(picture, NOW + timedelta(seconds=0.5))) == WRITES_A_SECOND - 20


def test_whoever_was_written_about_longest_ago_comes_first() -> None:
    picture = _running(WRITES_A_SECOND + 30)
    first = _spare(decide(picture, NOW))
    for action in first:
        picture.noticed(action.uid, NOW)
    second = _spare(decide(picture, NOW + timedelta(seconds=1)))
    assert {patch.uid for patch in second} >= set(picture.analysis_jobs) - {patch.uid for patch in first}


def test_a_budget_that_is_spent_does_not_keep_outcomes_back() -> None:
    picture = _running(1)
    for _ in range(WRITES_A_SECOND):
        picture.noticed("somebody", NOW)
    assert decide(picture, NOW) == []
    job = make_job("job-000")
    picture.observe(Kind.JOB, "MODIFIED", make_child(job, version=60, active=0, conditions=[condition("Complete")]))
    (uid,) = picture.analysis_jobs
    pod = make_pod(make_child(job), phase="Succeeded", version=61)
    picture.observe(Kind.POD, "MODIFIED", pod)
    (action,) = decide(picture, NOW)
    assert isinstance(action, PatchStatus)
    assert (action.uid, action.spare) == (uid, False)

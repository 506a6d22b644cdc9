"""Thousands of open jobs: a decision looks at what has changed or is due, and at nothing else."""

from datetime import timedelta

from forge_operator.decide import LOOKS, STEPS, Decision, decision
from forge_operator.digests import Kind
from forge_operator.following import STILL_RUNNING
from forge_operator.known import Report
from forge_operator.notices import WRITES_A_SECOND
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    ago,
    condition,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOBS = 2_400


def _picture() -> Picture:
    """Half of the jobs run, half wait and have been told why."""
    objects: list[tuple[Kind, Raw]] = [(Kind.JOB_QUEUE, make_queue(version=6, concurrency=JOBS // 2))]
    objects += [(Kind.NAMESPACE, make_namespace(f"{NAMESPACE}-{number}")) for number in range(20)]
    told = {**condition("Admitted", Reason.CONCURRENCY_REACHED), "status": "False"}
    for number in range(JOBS):
        job = make_job(f"job-{number:05}", namespace=f"{NAMESPACE}-{number % 20}")
        if number % 2:
            objects.append((Kind.ANALYSIS_JOB, with_status(job, phase="Queued", conditions=[told])))
            continue
        child = make_child(job)
        runs = with_status(job, phase="Running", conditions=[condition("Admitted", "Admitted")])
        objects += [(Kind.ANALYSIS_JOB, runs), (Kind.JOB, child), (Kind.POD, make_pod(child))]
    return make_picture(objects)


def _end(picture: Picture, job: Raw) -> None:
    picture.observe(Kind.POD, "MODIFIED", make_pod(make_child(job), phase="Succeeded", version=100))
    over = make_child(job, version=101, active=0, conditions=[condition("Complete")])
    picture.observe(Kind.JOB, "MODIFIED", over)


def _settled(picture: Picture) -> Decision:
    """The picture once nothing more is found in it."""
    while (made := decision(picture, NOW)).looks:
        picture.attention.take(made.looks)
    return made


def test_a_decision_in_which_nothing_changed_looks_at_no_job() -> None:
    made = _settled(_picture())
    assert (made.actions, made.looks, made.more) == ([], [], False)


def test_a_long_first_look_is_taken_in_parts() -> None:
    picture = _picture()
    first = decision(picture, NOW)
    assert (len(first.looks), first.more) == (LOOKS, True)
    picture.attention.take(first.looks)
    assert {look.owner for look in decision(picture, NOW).looks}.isdisjoint(look.owner for look in first.looks)


def test_only_jobs_that_something_touched_are_looked_at() -> None:
    picture = _picture()
    _settled(picture)
    ended = {f"job-{number * 2:05}": f"{NAMESPACE}-{number * 2 % 20}" for number in range(5)}
    for name, namespace in ended.items():
        job = make_job(name, namespace=namespace)
        _end(picture, job)
    made = decision(picture, NOW)
    assert [action.key.partition("-job-")[2] for action in made.actions] == [name[4:] for name in ended]
    assert {look.owner[0] for look in made.looks} == set(ended.values())
    assert len(made.looks) == len(ended)


def test_what_is_told_of_many_jobs_is_asked_only_of_so_many_as_may_be_written() -> None:
    picture = _picture()
    _settled(picture)
    running = [uid for _, uid in picture.places.admitted()]
    for uid in running:
        picture.report(uid, Report(40, "analysing", 1))
    told: list[str] = []
    for second in range(3):
        now = NOW + timedelta(seconds=second)
        while (made := decision(picture, now)).more:
            picture.attention.take(made.looks)
        for action in made.actions:
            picture.noticed(action.key.partition("/")[2], now)
            told.append(action.key)
    assert len(set(told)) == len(told) == 3 * WRITES_A_SECOND


def test_a_job_that_rests_is_looked_at_again_when_its_moment_comes() -> None:
    job = make_job()
    running = make_pod(make_child(job), state={"running": {"startedAt": ago(1)}})
    picture = make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, make_child(job)), (Kind.POD, running)])
    assert _settled(picture).actions == []
    assert decision(picture, NOW - timedelta(seconds=1) + STILL_RUNNING).actions


def test_more_ends_than_can_be_written_are_taken_in_turns() -> None:
    picture = _picture()
    for number in range(0, 4 * STEPS, 2):
        job = make_job(f"job-{number:05}", namespace=f"{NAMESPACE}-{number % 20}")
        _end(picture, job)
    keys: set[str] = set()
    for _ in range(20):
        made = decision(picture, NOW)
        assert len(made.actions) <= STEPS
        picture.attention.take(made.looks)
        keys |= {action.key for action in made.actions}
    assert len(keys) == 2 * STEPS

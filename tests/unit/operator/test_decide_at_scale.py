"""Ten thousand open jobs: a decision in which little has changed stays cheap."""

import time

from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from forge_operator.retiring import RETIRED_A_SECOND
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

JOBS = 10_000
LIMIT_SECONDS = 0.25
"""Of processor time; the aim is 0.05, and machines (and their neighbours) differ by a factor of three or more."""


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


def test_ten_thousand_open_jobs_are_decided_about_in_little_time() -> None:
    picture, took = _picture(), []
    assert decide(picture, NOW) == []
    for number in range(5):
        job = make_job(f"job-{number * 2:05}", namespace=f"{NAMESPACE}-{number * 2 % 20}")
        picture.observe(Kind.POD, "MODIFIED", make_pod(make_child(job), phase="Succeeded", version=100))
        child = make_child(job, version=101, active=0, conditions=[condition("Complete")])
        picture.observe(Kind.JOB, "MODIFIED", child)
        began = time.process_time()
        actions = decide(picture, NOW)
        took.append(time.process_time() - began)
        assert len(actions) == number + 1
    assert min(took) < LIMIT_SECONDS, took


def test_ten_thousand_finished_jobs_cost_a_decision_nothing_and_clearing_them_little() -> None:
    objects: list[tuple[Kind, Raw]] = []
    for number in range(JOBS):
        job = make_job(f"job-{number:05}", age=JOBS)
        objects.append((Kind.ANALYSIS_JOB, with_status(job, phase="Completed", completedAt=ago(number))))
    keeps = {"completed": {"age": "24h", "count": JOBS // 2}, "failed": {"age": "168h", "count": 10}}
    picture = make_picture([*objects, (Kind.JOB_QUEUE, make_queue(version=6, retention=keeps))])
    assert decide(picture, NOW) == []
    picture.recorded(list(picture.analysis_jobs))
    took = []
    for _ in range(5):
        began = time.process_time()
        actions = decide(picture, NOW)
        took.append(time.process_time() - began)
        assert len(actions) == RETIRED_A_SECOND
    assert min(took) < LIMIT_SECONDS / 25, took

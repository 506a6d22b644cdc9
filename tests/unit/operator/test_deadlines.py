"""The deadline of a Job is extended by the time in which no runner ran, and by a timeout for each refund."""

from forge_core.exits import Exit
from forge_operator.actions import ExtendDeadline
from forge_operator.decide import decide
from forge_operator.digests import Kind
from tests.builders.operator import (
    NOW,
    Raw,
    ago,
    condition,
    ended,
    make_child,
    make_job,
    make_picture,
    make_pod,
    with_status,
)

JOB = make_job(age=20_000)
BASE = 3 * 900 + 2 + 4 + 900
"""Three attempts, two backoffs, the allowance."""
MARGIN = BASE // 10


def _extension(*pods: Raw, age: float, deadline: int = BASE) -> int | None:
    job = with_status(JOB, phase="Running", conditions=[condition("Admitted", "Admitted")])
    child = make_child(JOB, age=age, deadline=deadline)
    picture = make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, child), *((Kind.POD, pod) for pod in pods)])
    found = [action.seconds for action in decide(picture, NOW) if isinstance(action, ExtendDeadline)]
    return found[0] if found else None


def _runs_for(seconds: float) -> Raw:
    return make_pod(make_child(JOB), state={"running": {"startedAt": ago(seconds)}})


def test_a_deadline_that_is_far_is_not_looked_at() -> None:
    assert _extension(age=BASE - MARGIN - 10) is None


def test_a_runner_that_ran_all_the_time_has_used_its_time() -> None:
    assert _extension(_runs_for(BASE - 10), age=BASE - 10) is None


def test_the_time_without_a_running_runner_is_given_back() -> None:
    extended = _extension(_runs_for(1000), age=BASE - 10)
    assert extended == round(BASE + (BASE - 10 - 1000) + BASE / 10)


def test_an_extension_is_not_repeated_before_it_is_near_again() -> None:
    extended = _extension(_runs_for(1000), age=BASE - 10)
    assert extended is not None
    assert _extension(_runs_for(1000), age=BASE - 10, deadline=extended) is None


def test_each_refund_gives_one_timeout_back() -> None:
    target = condition("DisruptionTarget", "EvictionByEvictionAPI")
    child = make_child(JOB)
    age = BASE - 10
    evicted = [
        make_pod(child, "a", phase="Failed", conditions=[target], state=ended(13, started=age, at=age / 2)),
        make_pod(child, "b", phase="Failed", conditions=[target], state=ended(13, started=age / 2, at=0)),
    ]
    assert _extension(*evicted, age=age) == round(BASE + 2 * 900 + BASE / 10)


def test_a_runner_that_waited_for_the_api_did_not_run() -> None:
    age = BASE - 10
    waited = make_pod(make_child(JOB), phase="Failed", state=ended(Exit.BEFORE_CLAIM, started=age, at=0))
    assert _extension(waited, age=age) == round(BASE + age + BASE / 10)


def test_pods_that_ran_at_the_same_time_count_once() -> None:
    child, age = make_child(JOB), BASE - 10
    pods = [
        make_pod(child, "a", phase="Failed", state=ended(1, started=2000, at=1000)),
        make_pod(child, "b", phase="Failed", state=ended(1, started=1500, at=500)),
    ]
    assert _extension(*pods, age=age) == round(BASE + age - 1500 + BASE / 10)


def test_a_job_of_a_queue_that_is_gone_is_left_alone() -> None:
    job = with_status(make_job(queue="gone"), phase="Running", conditions=[condition("Admitted", "Admitted")])
    child = make_child(make_job(queue="gone"), age=BASE - 10, deadline=BASE)
    assert decide(make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, child)]), NOW) == []

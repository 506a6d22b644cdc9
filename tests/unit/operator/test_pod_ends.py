"""Each way in which a pod can end is recorded with its class, unless its runner told it."""

from datetime import timedelta
from typing import Any

import pytest

from forge_core.exits import Exit, FailureClass
from forge_operator.actions import EndOfPod, RecordPodEnds
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from forge_operator.pod_ends import AT_ONCE
from tests.builders.operator import (
    NOW,
    Raw,
    condition,
    ended,
    make_child,
    make_job,
    make_picture,
    make_pod,
    with_status,
)

JOB = make_job()
RUNS = with_status(JOB, phase="Running", conditions=[condition("Admitted", "Admitted")])
CANCELS = with_status(JOB, phase="Cancelling")
CHILD = make_child(JOB)
OUT_OF_TIME = make_child(JOB, conditions=[condition("FailureTarget", "DeadlineExceeded")])
EVICTED = [condition("DisruptionTarget", "EvictionByEvictionAPI")]
ASKED_TO_STOP = ended(Exit.INTERRUPTED, failure_class="disruption", message="asked to stop", stage="cloning")


def _picture(pod: Raw, job: Raw = RUNS, child: Raw = CHILD) -> Picture:
    return make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, child), (Kind.POD, pod)])


def _ends(picture: Picture) -> list[EndOfPod]:
    made = [action for action in decide(picture, NOW) if isinstance(action, RecordPodEnds)]
    assert len(made) <= 1, "one transaction at a time"
    return [end for action in made for end in action.ends]


def _failed(state: Raw, **more: Any) -> Raw:
    return make_pod(CHILD, phase="Failed", state=state, **more)


NODE_GONE = _failed({"running": {"startedAt": "2026-03-01T11:59:00Z"}}, reason="NodeLost")
GONE = FailureClass.DISRUPTION
CASES: list[tuple[str, tuple[Raw, Raw, Raw], FailureClass, str, str]] = [
    ("out of memory", (RUNS, CHILD, _failed(ended(137, reason="OOMKilled"))), FailureClass.OUT_OF_MEMORY, "512Mi", ""),
    ("killed", (RUNS, CHILD, _failed(ended(137))), FailureClass.TRANSIENT, "signal 9", ""),
    ("ended by a code of its own", (RUNS, CHILD, _failed(ended(3))), FailureClass.TRANSIENT, "code 3", ""),
    ("could not save", (RUNS, CHILD, _failed(ended(Exit.NOT_SAVED))), FailureClass.TRANSIENT, "not be stored", ""),
    ("evicted", (RUNS, CHILD, _failed(ASKED_TO_STOP, conditions=EVICTED)), GONE, "Eviction", "EvictionByEvictionAPI"),
    ("its node lost", (RUNS, CHILD, NODE_GONE), GONE, "NodeLost", "NodeLost"),
    ("deleted by a person", (RUNS, CHILD, _failed(ASKED_TO_STOP, deleted=5)), GONE, "sked to stop", ""),
    ("deleted while deaf", (RUNS, CHILD, _failed(ended(137), deleted=5)), GONE, "signal 9", ""),
    ("cancelled", (CANCELS, CHILD, _failed(ASKED_TO_STOP)), FailureClass.CANCELLED, "cancelled", ""),
    ("cancelled and deaf", (CANCELS, CHILD, _failed(ended(137))), FailureClass.CANCELLED, "cancelled", ""),
    ("its job out of time", (RUNS, OUT_OF_TIME, _failed(ASKED_TO_STOP)), FailureClass.TIMEOUT, "deadline", ""),
]


@pytest.mark.parametrize(("objects", "expected", "words", "refund"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_an_end_has_its_class_and_says_why(
    objects: tuple[Raw, Raw, Raw], expected: FailureClass, words: str, refund: str
) -> None:
    job, child, pod = objects
    [end] = _ends(_picture(pod, job, child))
    assert (end.failure_class, end.refund) == (expected, refund)
    assert (end.job_uid, end.pod_uid) == (JOB["metadata"]["uid"], pod["metadata"]["uid"])
    assert words in end.message
    assert end.message[0].isupper()
    assert end.message.endswith(".")


@pytest.mark.parametrize("code", [Exit.PERMANENT, Exit.EXHAUSTED, Exit.BEFORE_CLAIM], ids=lambda code: code.name)
def test_what_a_runner_told_itself_is_not_told_again(code: Exit) -> None:
    assert _ends(_picture(_failed(ended(code)))) == []


def test_a_success_and_a_pod_that_never_began_have_no_end_to_tell() -> None:
    assert _ends(_picture(make_pod(CHILD, phase="Succeeded", state=ended(0)))) == []
    assert _ends(_picture(_failed({"waiting": {"reason": "ErrImagePull"}}))) == []


def test_a_disruption_is_told_as_soon_as_it_is_seen_and_the_end_once_it_came() -> None:
    pod = make_pod(CHILD, conditions=EVICTED)
    picture = _picture(pod)
    [coming] = _ends(picture)
    assert (coming.ended_at, coming.refund) == (None, "EvictionByEvictionAPI")
    picture.pods.told(coming.pod_uid, ended=False)
    assert _ends(picture) == []
    picture.observe(Kind.POD, "MODIFIED", _newer(_failed(ended(Exit.INTERRUPTED, at=3), conditions=EVICTED)))
    [end] = _ends(picture)
    assert end.ended_at == NOW - timedelta(seconds=3)
    picture.observe(Kind.POD, "DELETED", _newer(pod, 99))
    assert end in _ends(picture), "a pod that is gone is told of too"
    picture.pods.told(end.pod_uid, ended=True)
    assert _ends(picture) == []


def test_a_pod_that_vanished_while_it_ran_has_ended() -> None:
    picture = _picture(make_pod(CHILD, deleted=5))
    assert _ends(picture) == []
    picture.observe(Kind.POD, "DELETED", _newer(make_pod(CHILD)))
    [end] = _ends(picture)
    assert (end.failure_class, end.ended_at) == (FailureClass.DISRUPTION, NOW - timedelta(seconds=5))
    assert end.refund == ""


def test_when_a_node_takes_hundreds_along_they_are_told_in_few_transactions_one_after_the_other() -> None:
    objects: list[tuple[Kind, Raw]] = []
    for number in range(250):
        job = with_status(make_job(f"job-{number}"), phase="Running", conditions=[condition("Admitted", "Admitted")])
        child = make_child(job)
        pod = make_pod(child, phase="Failed", state=ended(137), reason="NodeLost")
        objects += [(Kind.ANALYSIS_JOB, job), (Kind.JOB, child), (Kind.POD, pod)]
    picture, sizes = make_picture(objects), []
    while ends := _ends(picture):
        sizes.append(len(ends))
        for end in ends:
            picture.pods.told(end.pod_uid, ended=True)
    assert sizes == [AT_ONCE, AT_ONCE, 50]


def test_nothing_is_told_of_a_job_that_is_over_whatever_came_first() -> None:
    over = with_status(JOB, phase="Failed", version=12)
    pod = (Kind.POD, _failed(ended(137)))
    for order in (
        [(Kind.ANALYSIS_JOB, over), (Kind.JOB, CHILD), pod],
        [pod, (Kind.JOB, CHILD), (Kind.ANALYSIS_JOB, over)],
    ):
        assert _ends(make_picture(order)) == []


def _newer(pod: Raw, version: int = 31) -> Raw:
    return {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(version)}}

"""A pod without a sign of life is ended once, and only while that can help its job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from forge_core.exits import FailureClass
from forge_core.names import STALLED_CONDITION
from forge_operator.actions import PatchStatus, RecordPodEnds, RestartPod
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.outcomes import failure_of
from forge_operator.picture import Picture
from forge_operator.pulses import Looked
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NOW,
    Raw,
    condition,
    ended,
    make_child,
    make_job,
    make_node,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOB = make_job()
UID = JOB["metadata"]["uid"]
RUNS = with_status(JOB, phase="Running", attempts=1, conditions=[condition("Admitted", "Admitted")])
CHILD = make_child(JOB)
POD = make_pod(CHILD)
MARK = {**condition(STALLED_CONDITION, "NoHeartbeat"), "message": "no heartbeat for 60 s"}


def _picture(*more: tuple[Kind, Raw], job: Raw = RUNS, child: Raw = CHILD, pod: Raw = POD) -> Picture:
    return make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, child), (Kind.POD, pod), *more])


def _silent(picture: Picture, seconds: int = 61, pod: Raw = POD) -> Picture:
    beat = NOW - timedelta(seconds=10)
    for second in range(seconds + 1):
        looked = Looked("tenant-a", pod["metadata"]["uid"], NOW - timedelta(seconds=20), beat)
        picture.pulses.look(UID, looked, float(second))
    return picture


def _restarts(picture: Picture) -> list[RestartPod]:
    return [action for action in decide(picture, NOW) if isinstance(action, RestartPod)]


def test_a_pod_without_a_heartbeat_is_restarted() -> None:
    [action] = _restarts(_silent(_picture()))
    assert (action.uid, action.job_uid, action.version) == (POD["metadata"]["uid"], UID, 30)
    assert (action.message, action.marked) == ("no heartbeat for 60 s", False)


def test_a_queue_s_own_limit_holds() -> None:
    patient = (Kind.JOB_QUEUE, make_queue(version=6, stall={"after": "90s"}))
    assert _restarts(_silent(_picture(patient))) == []
    assert len(_restarts(_silent(_picture(patient), 91))) == 1


def test_a_pod_that_was_never_heard_has_its_queues_time_to_start() -> None:
    picture = _picture((Kind.JOB_QUEUE, make_queue(version=6, stall={"after": "10s", "startup": "30s"})))
    started = NOW - timedelta(seconds=20)
    for second in range(32):
        picture.pulses.look(
            "other", Looked("tenant-a", "another", started, started + timedelta(seconds=second)), second
        )
        picture.pulses.look(UID, Looked("tenant-a", POD["metadata"]["uid"], started, None), float(second))
        assert len(_restarts(picture)) == (second >= 30)
    [action] = _restarts(picture)
    assert action.message == "no first heartbeat within 30 s"


def _away(picture: Picture) -> None:
    picture.dependency("PostgreSQL", "no answer")


def _nothing(_picture: Picture) -> None:
    return None


REFUSALS: list[tuple[str, dict[str, Any], Callable[[Picture], None]]] = [
    ("its job is Cancelling", {"job": with_status(JOB, phase="Cancelling")}, _nothing),
    ("its job is to be cancelled", {"job": with_status(make_job(cancel=True), phase="Running")}, _nothing),
    ("its Job is suspended", {"child": make_child(JOB, suspend=True)}, _nothing),
    ("its Job is decided", {"child": make_child(JOB, conditions=[condition("SuccessCriteriaMet", "x")])}, _nothing),
    ("its Job failed", {"child": make_child(JOB, conditions=[condition("FailureTarget", "x")])}, _nothing),
    ("it is being deleted", {"pod": make_pod(CHILD, deleted=-20)}, _nothing),
    ("it has ended", {"pod": make_pod(CHILD, phase="Failed", state=ended(137))}, _nothing),
    ("it is evicted", {"pod": make_pod(CHILD, conditions=[condition("DisruptionTarget", "x")])}, _nothing),
    ("its node is gone", {"pod": make_pod(CHILD, node="gone")}, _nothing),
    ("PostgreSQL is away", {}, _away),
]


@pytest.mark.parametrize(("objects", "change"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_it_is_left_alone_when(objects: dict[str, Any], change: Callable[[Picture], None]) -> None:
    picture = _silent(_picture(**objects))
    change(picture)
    assert _restarts(picture) == []


def test_a_pod_on_a_node_that_is_not_ready_is_left_to_the_cluster() -> None:
    assert _restarts(_silent(_picture((Kind.NODE, make_node(ready=False, version=9))))) == []


def test_a_pod_that_was_marked_is_ended_whatever_became_of_its_silence() -> None:
    [action] = _restarts(_picture(pod=make_pod(CHILD, conditions=[MARK])))
    assert action.marked
    [action] = _restarts(_silent(_picture(pod=make_pod(CHILD, conditions=[MARK]))))
    assert action.marked, "never twice for one pod"


def test_once_it_is_being_deleted_nothing_follows_but_its_end() -> None:
    picture = _silent(_picture(pod=make_pod(CHILD, conditions=[MARK], deleted=-20)))
    assert _restarts(picture) == []
    gone = make_pod(CHILD, phase="Failed", version=31, conditions=[MARK], deleted=1, state=ended(137))
    picture.observe(Kind.POD, "MODIFIED", gone)
    [end] = [end for action in decide(picture, NOW) if isinstance(action, RecordPodEnds) for end in action.ends]
    assert (end.failure_class, end.refund) == (FailureClass.STALLED, "")
    assert end.message == "No heartbeat for 60 s: its pod was ended."


def _said(picture: Picture) -> tuple[str, str]:
    [patch] = [action for action in decide(picture, NOW) if isinstance(action, PatchStatus)]
    [admitted] = [one for one in patch.status["conditions"] if one["type"] == "Admitted"]
    return admitted["reason"], patch.status["message"]


@pytest.mark.parametrize(
    "pod",
    [
        make_pod(CHILD, conditions=[MARK], deleted=-20),
        make_pod(CHILD, phase="Failed", conditions=[MARK], deleted=1, state=ended(137)),
    ],
    ids=["while it ends", "once it has ended"],
)
def test_the_job_says_so_and_which_attempt_follows(pod: Raw) -> None:
    assert _said(_picture(pod=pod)) == (
        Reason.STALLED,
        "Admitted; no heartbeat for 60 s: its pod was ended, attempt 2 of 3 follows",
    )


def test_the_job_says_when_it_was_the_last_attempt() -> None:
    picture = _picture(pod=make_pod(CHILD, conditions=[MARK], deleted=-20))
    picture.report(UID, Report(42, "analysing", 3))
    assert _said(picture)[1].endswith("it was the last one")


def test_a_job_that_stalled_to_its_end_is_told_so() -> None:
    picture = _picture(
        child=make_child(JOB, conditions=[condition("Failed", "BackoffLimitExceeded")]),
        pod=make_pod(CHILD, phase="Failed", conditions=[MARK], deleted=1, state=ended(137)),
    )
    [child] = picture.jobs.values()
    failure = failure_of(child, picture.all_pods_of(child), None, NOW)
    assert (failure.reason, failure.kind) == (Reason.EXHAUSTED, FailureClass.STALLED)
    assert failure.message.endswith("of the last one: no heartbeat for 60 s: its pod was ended")

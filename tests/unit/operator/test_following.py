"""From the Job's creation to the terminal phase."""

from typing import Any

import pytest

from forge_core.exits import Exit, FailureClass
from forge_operator.actions import (
    Action,
    CreateJob,
    DeleteJob,
    PatchStatus,
    RecordPodEnds,
    SuspendJob,
)
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NOW,
    Raw,
    ago,
    condition,
    ended,
    make_child,
    make_event,
    make_job,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOB = make_job()
UID = JOB["metadata"]["uid"]
CHILD = make_child(JOB)
RUNNING: Raw = {"phase": "Running", "queuedAt": ago(60), "admittedAt": ago(30), "startedAt": ago(20), "attempts": 1}
RUNS = with_status(JOB, **RUNNING, conditions=[condition("Admitted", "Admitted")], jobName=CHILD["metadata"]["name"])


def _decide(*objects: tuple[Kind, Raw]) -> list[Action]:
    return decide(make_picture(objects), NOW)


def _patch(actions: list[Action]) -> PatchStatus:
    (action,) = (action for action in actions if not isinstance(action, RecordPodEnds))
    assert isinstance(action, PatchStatus)
    return action


def _condition(patch: PatchStatus, of_type: str) -> Raw:
    found: Raw = next(one for one in patch.status["conditions"] if one["type"] == of_type)
    return found


def _over(of_type: str, reason: str = "", message: str = "", **counts: Any) -> Raw:
    return make_child(JOB, version=50, conditions=[condition(of_type, reason, message)], **{"active": 0, **counts})


# --- running ---


def test_a_job_whose_pod_has_run_for_a_second_is_running() -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))))
    assert patch.status["phase"] == "Running"
    assert patch.version == 10
    assert patch.status["admittedAt"] == ago(30)
    assert patch.status["startedAt"] == ago(20)
    assert patch.status["queuedAt"] == ago(60)
    assert patch.status["jobName"] == CHILD["metadata"]["name"]
    assert patch.status["attempts"] == 1
    assert _condition(patch, "Admitted")["status"] == "True"
    assert not patch.spare


def test_a_pod_that_has_only_just_started_is_not_worth_a_write() -> None:
    pod = make_pod(CHILD, state={"running": {"startedAt": ago(1)}})
    assert _decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, pod)) == []


def test_a_pod_that_has_reported_is_running_at_once() -> None:
    pod = make_pod(CHILD, state={"running": {"startedAt": ago(0)}})
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, pod)])
    picture.report(UID, Report(7, "cloning", 1))
    patch = _patch(decide(picture, NOW))
    assert (patch.status["phase"], patch.status["progress"], patch.status["stage"]) == ("Running", 7, "cloning")


def test_a_pod_that_waits_for_its_node_leaves_the_job_queued() -> None:
    pod = make_pod(CHILD, phase="Pending")
    assert _decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, pod)) == []


def test_a_running_job_stays_running_between_two_pods() -> None:
    failed = make_pod(CHILD, phase="Failed", state=ended(137, reason="OOMKilled"))
    patch = _patch(_decide((Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, CHILD), (Kind.POD, failed)))
    assert patch.spare
    assert patch.status["phase"] == "Running"
    assert _condition(patch, "Admitted")["reason"] == Reason.RETRYING
    assert "512Mi" in patch.status["message"]


def test_a_steady_running_job_needs_nothing() -> None:
    assert _decide((Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))) == []


def test_a_job_whose_job_somebody_deleted_gets_it_again() -> None:
    (action,) = _decide((Kind.ANALYSIS_JOB, RUNS))
    assert isinstance(action, CreateJob)
    assert action.body["metadata"]["name"] == CHILD["metadata"]["name"]


def test_a_job_that_is_being_deleted_is_not_begun() -> None:
    leaving = make_job()
    leaving["metadata"]["deletionTimestamp"] = ago(1)
    assert _decide((Kind.ANALYSIS_JOB, leaving)) == []


# --- trouble on the way ---


@pytest.mark.parametrize(
    ("pod", "reason", "said"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes: 2 Insufficient cpu."}]},
            Reason.UNSCHEDULABLE,
            "Admitted; pod unschedulable: 0/2 nodes: 2 Insufficient cpu",
        ),
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image x:1"}}},
            Reason.IMAGE_UNAVAILABLE,
            "x:1",
        ),
        (
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret y not found"}}},
            Reason.CONTAINER_NOT_STARTED,
            "secret y not found",
        ),
    ],
    ids=["no room on any node", "image not there", "container can't be made"],
)
def test_what_keeps_an_admitted_job_from_running_is_its_message(pod: Raw, reason: Reason, said: str) -> None:
    objects = [(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD, phase="Pending", **pod))]
    patch = _patch(_decide(*objects))
    assert patch.spare
    assert said in patch.status["message"]
    assert _condition(patch, "Admitted") == {
        "type": "Admitted",
        "status": "True",
        "reason": reason,
        "message": patch.status["message"],
        "lastTransitionTime": ago(0),
    }


def test_a_quota_that_refuses_the_pod_is_its_message() -> None:
    child = make_child(JOB, active=0)
    event = make_event(child, 'pods "x" is forbidden: exceeded quota: pods')
    patch = _patch(_decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child), (Kind.EVENT, event)))
    assert "exceeded quota" in patch.status["message"]
    assert _condition(patch, "Admitted")["reason"] == Reason.POD_REFUSED


def test_a_quota_refusal_is_forgotten_once_there_is_a_pod() -> None:
    child = make_child(JOB, active=0)
    objects = [(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child), (Kind.EVENT, make_event(child, "exceeded quota"))]
    picture = make_picture([*objects, (Kind.JOB, make_child(JOB, version=41))])
    assert not picture.pod_refusals
    assert decide(picture, NOW) == []


def test_trouble_that_has_passed_is_taken_back() -> None:
    stuck = with_status(JOB, **RUNNING, message="No node", conditions=[condition("Admitted", "Unschedulable")])
    patch = _patch(_decide((Kind.ANALYSIS_JOB, stuck), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))))
    assert patch.status["message"] == ""
    assert _condition(patch, "Admitted")["reason"] == Reason.ADMITTED


def test_the_trouble_of_a_job_a_moment_old_is_not_worth_a_write() -> None:
    child = make_child(JOB, age=2)
    pod = make_pod(child, phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "no"}])
    assert _decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child), (Kind.POD, pod)) == []


# --- the end ---


def test_a_job_that_succeeded_is_completed() -> None:
    pod = make_pod(CHILD, phase="Succeeded", state=ended(0, attempt=2))
    patch = _patch(_decide((Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, _over("Complete")), (Kind.POD, pod)))
    assert patch.status["phase"] == "Completed"
    assert patch.status["progress"] == 100
    assert patch.status["attempts"] == 2
    assert patch.status["completedAt"] == ago(1)
    assert _condition(patch, "Complete")["reason"] == Reason.SUCCEEDED
    assert not patch.spare


def test_a_job_over_within_a_second_is_written_once_with_everything() -> None:
    pod = make_pod(CHILD, phase="Succeeded", state=ended(0, started=2, at=1))
    patch = _patch(_decide((Kind.ANALYSIS_JOB, JOB), (Kind.JOB, _over("Complete")), (Kind.POD, pod)))
    shown = {key: patch.status[key] for key in ("phase", "queuedAt", "admittedAt", "startedAt", "completedAt")}
    assert shown == {
        "phase": "Completed",
        "queuedAt": ago(60),
        "admittedAt": ago(30),
        "startedAt": ago(2),
        "completedAt": ago(1),
    }
    assert patch.status["attempts"] == 1


@pytest.mark.parametrize(
    ("child", "pod"),
    [
        (_over("SuccessCriteriaMet", active=1), None),
        (_over("SuccessCriteriaMet", terminating=1), None),
        (_over("FailureTarget", "PodFailurePolicy", terminating=1), None),
        (_over("SuccessCriteriaMet"), make_pod(CHILD)),
        (_over("FailureTarget", "DeadlineExceeded"), make_pod(CHILD, deleted=5)),
        (_over("FailureTarget", "DeadlineExceeded"), make_pod(CHILD, phase="Pending")),
    ],
    ids=["active", "terminating", "failing and terminating", "a pod runs", "a pod is ending", "a pod is pending"],
)
def test_the_phase_does_not_turn_while_a_pod_may_do_something(child: Raw, pod: Raw | None) -> None:
    objects = [(Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, child), *([(Kind.POD, pod)] if pod else [])]
    picture = make_picture(objects)
    assert decide(picture, NOW) == []
    assert picture.slots_used("analysis") == 1


@pytest.mark.parametrize("early", ["SuccessCriteriaMet", "FailureTarget"])
def test_the_outcome_is_decided_as_soon_as_the_controller_has_decided_it(early: str) -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, _over(early))))
    assert patch.status["phase"] == ("Completed" if early == "SuccessCriteriaMet" else "Failed")


def test_a_job_that_failed_is_failed_with_its_reason() -> None:
    state = ended(Exit.PERMANENT, attempt=1, failure_class=FailureClass.PERMANENT, message="no such ref: nope")
    pod = make_pod(CHILD, phase="Failed", state=state)
    child = _over("Failed", "PodFailurePolicy", "Container runner ... exit code 10")
    patch = _patch(_decide((Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, child), (Kind.POD, pod)))
    assert patch.status["phase"] == "Failed"
    assert patch.status["message"] == "no such ref: nope"
    assert _condition(patch, "Failed")["reason"] == Reason.PERMANENT


def test_a_job_that_failed_says_in_which_stage_its_last_attempt_did() -> None:
    """By that attempt's words; by what it last reported when it was killed without a word."""
    told: dict[str, Any] = {"attempt": 2, "failure_class": FailureClass.TRANSIENT, "message": "no", "stage": "cloning"}
    words = make_pod(CHILD, "pod-1", age=40, phase="Failed", state=ended(Exit.INTERRUPTED, **told))
    killed = make_pod(CHILD, "pod-2", age=20, phase="Failed", state=ended(137))
    late = make_pod(CHILD, "pod-3", age=10, phase="Failed", state=ended(Exit.EXHAUSTED, message="too late"))
    report = Report(percent=40, stage="analysing", attempt=3)
    for pods, stage in (((words,), "cloning"), ((words, late), "cloning"), ((words, killed, late), "analysing")):
        there = [(Kind.POD, pod) for pod in pods]
        picture = make_picture([(Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, _over("Failed", "BackoffLimitExceeded")), *there])
        picture.report(UID, report)
        assert _patch(decide(picture, NOW)).status["stage"] == stage


@pytest.mark.parametrize("phase", ["Completed", "Failed", "Cancelled"])
@pytest.mark.parametrize("outcome", ["Complete", "Failed"])
def test_a_terminal_phase_is_final(phase: str, outcome: str) -> None:
    over = with_status(JOB, phase=phase)
    child = _over(outcome)
    child["metadata"]["deletionTimestamp"] = ago(1)
    assert _decide((Kind.ANALYSIS_JOB, over), (Kind.JOB, child)) == []


def test_an_invalid_job_is_failed_and_nobody_else_notices() -> None:
    actions = _decide((Kind.ANALYSIS_JOB, make_job("bad", priority=0)), (Kind.ANALYSIS_JOB, make_job("good")))
    (bad,) = [action for action in actions if isinstance(action, PatchStatus)]
    (good,) = [action for action in actions if isinstance(action, CreateJob)]
    assert bad.name == "bad"
    assert bad.status["phase"] == "Failed"
    assert "spec.priority" in bad.status["message"]
    assert _condition(bad, "Failed")["reason"] == Reason.INVALID
    assert good.uid == "uid-tenant-a-good"


def test_a_job_whose_assignment_cannot_be_written_is_failed_and_nobody_else_notices() -> None:
    endless = make_queue("endless", timeout="48h")
    actions = _decide(
        (Kind.JOB_QUEUE, endless), (Kind.ANALYSIS_JOB, make_job("bad", queue="endless")), (Kind.ANALYSIS_JOB, JOB)
    )
    (bad,) = [action for action in actions if isinstance(action, PatchStatus)]
    assert bad.status["phase"] == "Failed"
    assert "timeout" in bad.status["message"]
    assert [action.uid for action in actions if isinstance(action, CreateJob)] == [UID]


# --- cancelling ---


def test_a_waiting_job_is_cancelled_at_once() -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, make_job(cancel=True))))
    assert patch.status["phase"] == "Cancelled"
    assert patch.status["completedAt"] == ago(0)
    assert _condition(patch, "Complete")["reason"] == Reason.CANCELLED


def _cancelled(phase: str) -> Raw:
    return with_status(make_job(cancel=True), **{**RUNNING, "phase": phase})


def test_a_running_job_that_is_to_be_cancelled_becomes_cancelling_first() -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, _cancelled("Running")), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))))
    assert patch.status["phase"] == "Cancelling"


def test_an_admitted_job_that_has_not_started_becomes_cancelling_too() -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, make_job(cancel=True)), (Kind.JOB, CHILD)))
    assert patch.status["phase"] == "Cancelling"


def test_a_cancelling_job_has_its_job_suspended() -> None:
    (action,) = _decide((Kind.ANALYSIS_JOB, _cancelled("Cancelling")), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD)))
    assert action == SuspendJob("tenant-a", CHILD["metadata"]["name"], CHILD["metadata"]["uid"])


@pytest.mark.parametrize(
    ("child", "pod"),
    [
        ({"suspend": True, "active": 0}, None),
        ({"suspend": True, "active": 0, "terminating": 1, "conditions": [condition("Suspended")]}, None),
        ({"suspend": True, "active": 0, "conditions": [condition("Suspended")]}, {"deleted": 5}),
    ],
    ids=["not Suspended yet", "a pod terminates", "the picture holds a live pod"],
)
def test_a_cancelling_job_waits_until_nothing_of_it_lives(child: Raw, pod: Raw | None) -> None:
    pods = [(Kind.POD, make_pod(CHILD, **pod))] if pod else []
    objects = [(Kind.ANALYSIS_JOB, _cancelled("Cancelling")), (Kind.JOB, make_child(JOB, version=50, **child)), *pods]
    assert _decide(*objects) == []


def test_a_suspended_job_without_pods_is_cancelled_and_then_deleted() -> None:
    child = make_child(JOB, version=50, suspend=True, active=0, conditions=[condition("Suspended")])
    patch = _patch(_decide((Kind.ANALYSIS_JOB, _cancelled("Cancelling")), (Kind.JOB, child)))
    assert patch.status["phase"] == "Cancelled"
    (action,) = _decide((Kind.ANALYSIS_JOB, _cancelled("Cancelled")), (Kind.JOB, child))
    assert action == DeleteJob("tenant-a", child["metadata"]["name"], child["metadata"]["uid"], "Background")


@pytest.mark.parametrize("outcome", ["Complete", "Failed"])
def test_a_cancelling_job_that_ends_by_itself_is_cancelled_all_the_same(outcome: str) -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, _cancelled("Cancelling")), (Kind.JOB, _over(outcome))))
    assert patch.status["phase"] == "Cancelled"


def test_a_cancel_that_comes_after_the_outcome_comes_too_late() -> None:
    patch = _patch(_decide((Kind.ANALYSIS_JOB, _cancelled("Running")), (Kind.JOB, _over("Complete"))))
    assert patch.status["phase"] == "Completed"


def test_a_cancel_that_meets_a_creation_under_way_waits_for_its_outcome() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job(cancel=True))])
    picture.hold(UID, "analysis", "tenant-a")
    assert _patch(decide(picture, NOW)).status["phase"] == "Cancelling"
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", _cancelled("Cancelling"))
    assert decide(picture, NOW) == []
    picture.release(UID)
    assert _patch(decide(picture, NOW)).status["phase"] == "Cancelled"


# --- attempts and progress ---


def test_attempts_count_neither_disruptions_nor_ends_before_the_claim() -> None:
    target = condition("DisruptionTarget", "EvictionByEvictionAPI")
    pods = [
        make_pod(CHILD, "evicted", phase="Failed", state=ended(Exit.INTERRUPTED), conditions=[target]),
        make_pod(CHILD, "early", phase="Failed", state=ended(Exit.BEFORE_CLAIM)),
        make_pod(CHILD, "killed", phase="Failed", state=ended(137, reason="OOMKilled")),
        make_pod(CHILD, "good", phase="Succeeded", state=ended(0)),
    ]
    objects = [(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, _over("Complete")), *((Kind.POD, pod) for pod in pods)]
    patches = [action for action in _decide(*objects) if isinstance(action, PatchStatus)]
    assert [patch.status["attempts"] for patch in patches] == [2]


def test_progress_goes_to_the_status_of_a_running_job_as_a_spare_write() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, RUNS), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))])
    picture.report(UID, Report(42, "analysing", 2))
    patch = _patch(decide(picture, NOW))
    assert patch.spare
    assert patch.status == {"phase": "Running", "progress": 42, "stage": "analysing", "attempts": 2}

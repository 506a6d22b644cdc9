"""Failure messages: each says what happened and what a person can do."""

from typing import Any

import pytest

from forge_core.exits import Exit, FailureClass
from forge_core.resource import QueueSpec
from forge_operator.digesting import read
from forge_operator.digests import JobDigest, Kind, PodDigest
from forge_operator.outcomes import Failure, failure_of
from forge_operator.reasons import Reason
from tests.builders.operator import NOW, Raw, condition, ended, make_child, make_job, make_pod, make_queue

JOB = make_job()
CHILD = make_child(JOB)
QUEUE = QueueSpec.read(make_queue(resourceClasses={"small": {}, "large": {}})["spec"])


def _failure(why: str, *pods: Raw, message: str = "", **child: Any) -> Failure:
    raw = make_child(JOB, **{"age": 600, "active": 0, "conditions": [condition("Failed", why, message)], **child})
    job = read(Kind.JOB, raw)
    assert isinstance(job, JobDigest)
    digests = [digest for pod in pods if isinstance(digest := read(Kind.POD, pod), PodDigest)]
    return failure_of(job, digests, QUEUE, NOW)


def _failed(code: int, **words: Any) -> Raw:
    reason = words.pop("why", "Error")
    return make_pod(CHILD, f"pod-{code}", phase="Failed", state=ended(code, reason=reason, **words))


CASES: list[tuple[str, str, list[Raw], Reason, FailureClass, list[str]]] = [
    (
        "a permanent failure is the runner's own sentence",
        "PodFailurePolicy",
        [_failed(Exit.PERMANENT, message="repository not found", failure_class="permanent")],
        Reason.PERMANENT,
        FailureClass.PERMANENT,
        ["repository not found"],
    ),
    (
        "a permanent failure without words says where to look",
        "PodFailurePolicy",
        [_failed(Exit.PERMANENT)],
        Reason.PERMANENT,
        FailureClass.PERMANENT,
        ["code 10", "kubectl logs -n tenant-a pod-10"],
    ),
    (
        "a spent budget says how many and the last error",
        "PodFailurePolicy",
        [_failed(Exit.EXHAUSTED, message="connection reset", failure_class="transient")],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["3 of 3 attempts", "connection reset"],
    ),
    (
        "a spent budget that a new pod met tells of the pod before it",
        "PodFailurePolicy",
        [_failed(137, why="OOMKilled"), _failed(Exit.EXHAUSTED)],
        Reason.EXHAUSTED,
        FailureClass.OUT_OF_MEMORY,
        ["3 of 3 attempts", "memory", "512Mi"],
    ),
    (
        "a spent budget that a new pod was told of is told by the pod before it, once",
        "PodFailurePolicy",
        [_failed(1, message="no route to host", failure_class="transient"), _failed(11, message="All are spent")],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["3 of 3 attempts are used up; of the last one: no route to host"],
    ),
    (
        "a spent budget of which only the API's words are left is told in those",
        "PodFailurePolicy",
        [_failed(Exit.EXHAUSTED, message="All 3 attempts are spent; the last one ended so: no route to host")],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["All 3 attempts are spent; the last one ended so: no route to host"],
    ),
    (
        "out of memory names the limit and what to do",
        "BackoffLimitExceeded",
        [_failed(137, why="OOMKilled")],
        Reason.EXHAUSTED,
        FailureClass.OUT_OF_MEMORY,
        ["3 of 3 attempts", "512Mi", "spec.resourceClass", "large, small"],
    ),
    (
        "a kill that the node said nothing of names the limit too",
        "BackoffLimitExceeded",
        [_failed(137)],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["signal 9", "if for memory, its limit is 512Mi", "kubectl logs"],
    ),
    (
        "out of memory that the runner outlived reads the same",
        "BackoffLimitExceeded",
        [_failed(1, message="the analysis was killed", failure_class="out-of-memory")],
        Reason.EXHAUSTED,
        FailureClass.OUT_OF_MEMORY,
        ["512Mi", "spec.resourceClass"],
    ),
    (
        "a timeout is the runner's own sentence",
        "BackoffLimitExceeded",
        [_failed(1, message="the attempt took longer than 15m", failure_class="timeout")],
        Reason.EXHAUSTED,
        FailureClass.TIMEOUT,
        ["took longer than 15m"],
    ),
    (
        "a result that could not be stored says so",
        "BackoffLimitExceeded",
        [_failed(Exit.NOT_SAVED)],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["could not be stored"],
    ),
    (
        "a signal is named",
        "BackoffLimitExceeded",
        [_failed(139)],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["signal 11"],
    ),
    (
        "an eviction says what the kubelet said",
        "BackoffLimitExceeded",
        [make_pod(CHILD, phase="Failed", state={}, reason="Evicted", message="low on resource: memory")],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["Evicted", "low on resource: memory"],
    ),
    (
        "pods that are gone are not made up",
        "BackoffLimitExceeded",
        [],
        Reason.EXHAUSTED,
        FailureClass.TRANSIENT,
        ["3 of 3 attempts", "gone"],
    ),
    (
        "a reason that is new to us is passed on",
        "SomethingNew",
        [],
        Reason.JOB_FAILED,
        FailureClass.TRANSIENT,
        ["SomethingNew", CHILD["metadata"]["name"]],
    ),
]


@pytest.mark.parametrize(("why", "pods", "reason", "kind", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_failure_says(why: str, pods: list[Raw], reason: Reason, kind: FailureClass, said: list[str]) -> None:
    failure = _failure(why, *pods)
    assert failure.reason == reason
    assert failure.kind == kind
    for words in said:
        assert words in failure.message


def test_a_deadline_names_what_consumed_the_time() -> None:
    target = condition("DisruptionTarget", "EvictionByEvictionAPI")
    stuck = [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]
    pods = [
        make_pod(CHILD, "a", phase="Failed", conditions=[target], state=ended(13, started=500, at=380)),
        make_pod(CHILD, "b", phase="Failed", conditions=stuck, state={}),
    ]
    failure = _failure("DeadlineExceeded", *pods)
    assert failure.reason == Reason.DEADLINE_EXCEEDED
    assert "longer than 10m in all: 2m with a runner running, 8m without one, 1 disruptions" in failure.message
    assert "0/2 nodes are available" in failure.message

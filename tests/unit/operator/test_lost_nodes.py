"""Pods on lost nodes are declared failed, so that their successors may start."""

from typing import Any

import pytest

from forge_operator.actions import DeletePod, FailPod
from forge_operator.decide import decide
from forge_operator.digests import Kind
from tests.builders.operator import NOW, condition, make_child, make_job, make_node, make_picture, make_pod, with_status

JOB = with_status(make_job(), phase="Running", conditions=[condition("Admitted", "Admitted")])
CHILD = make_child(JOB)


def _about(*, ready: bool, node: str = "node-1", **pod: Any) -> list[FailPod | DeletePod]:
    objects = [
        (Kind.NODE, make_node(ready=ready, version=9)),
        (Kind.ANALYSIS_JOB, JOB),
        (Kind.JOB, CHILD),
        (Kind.POD, make_pod(CHILD, node=node, **pod)),
    ]
    return [action for action in decide(make_picture(objects), NOW) if isinstance(action, FailPod | DeletePod)]


def test_a_pod_a_minute_past_its_grace_on_a_lost_node_is_declared_failed() -> None:
    (action,) = _about(ready=False, deleted=60)
    assert isinstance(action, FailPod)
    assert action.reason == "NodeLost"
    assert action.version == 30
    assert "node-1" in action.message


def test_once_declared_failed_it_is_deleted() -> None:
    (action,) = _about(ready=False, deleted=70, phase="Failed")
    assert isinstance(action, DeletePod)


def test_a_node_that_is_no_more_is_lost_too() -> None:
    (action,) = _about(ready=True, deleted=60, node="node-gone")
    assert isinstance(action, FailPod)


@pytest.mark.parametrize(
    ("ready", "pod"),
    [
        (False, {"deleted": 59}),
        (False, {}),
        (True, {"deleted": 300}),
        (False, {"deleted": 300, "node": ""}),
    ],
    ids=["within its patience", "not being deleted", "its node is ready", "never scheduled"],
)
def test_other_pods_are_left_alone(ready: bool, pod: dict[str, Any]) -> None:
    assert _about(ready=ready, **pod) == []

"""Why no node takes a pod: the scheduler's words, as a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_operator.actions import PatchStatus
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.unschedulable import Amounts, Room, causes_of, room_of, why_unschedulable
from tests.builders.operator import NOW, Raw, make_child, make_job, make_node, make_picture, make_pod

PREEMPTION = (
    " preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful"
    " for scheduling."
)
TAINTED = "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"
CPU = f"0/2 nodes are available: 1 Insufficient cpu, {TAINTED}.{PREEMPTION}"
COUNTS = f"(of 2 nodes 1 with too little CPU, {TAINTED})"
TOO_LARGE = "no node is that large: choose a smaller spec.resourceClass"
BOTH = "(of 3 nodes 1 with too little CPU, 2 with too little memory); it starts once one has room"
ROOM = Room(Amounts(2000, 4096), Amounts(1000, 512))


@pytest.mark.parametrize(
    ("message", "needs", "said"),
    [
        (
            CPU,
            Amounts(2000, 100),
            f"needs 2 CPU, at most 1 CPU free on any {COUNTS}; it starts once one has room",
        ),
        (
            CPU,
            Amounts(4000, 100),
            f"needs 4 CPU, at most 1 CPU free on any {COUNTS}; {TOO_LARGE}",
        ),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate,"
            + PREEMPTION,
            Amounts(1500, 1024),
            f"needs 1.5 CPU, at most 1 CPU free on any, needs 1 GiB, at most 512 MiB free on any {BOTH}",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            Amounts(1000, 1),
            "of 1 nodes 1 node(s) didn't match Pod's node affinity/selector",
        ),
        (
            "0/1 nodes are available: 1 Too many pods.",
            Amounts(1000, 1),
            "of 1 nodes 1 Too many pods",
        ),
        ("no nodes available to schedule pods", Amounts(1000, 1), "no nodes available to schedule pods"),
        ("0/2 nodes are available: quite full.", Amounts(1000, 1), "0/2 nodes are available: quite full."),
    ],
    ids=["cpu", "a class too large for any node", "cpu and memory", "a selector", "pods", "no nodes", "other words"],
)
def test_the_schedulers_words_are_read(message: str, needs: Amounts, said: str) -> None:
    assert why_unschedulable(message, needs, ROOM) == said


def test_without_a_node_that_takes_pods_nothing_is_said_of_what_is_free() -> None:
    said = why_unschedulable("0/1 nodes are available: 1 Insufficient cpu.", Amounts(500), room_of([]))
    assert said == "needs 0.5 CPU (of 1 nodes 1 with too little CPU); it starts once one has room"


@given(st.text(max_size=300) | st.from_regex(r"0/[0-9]{1,3} nodes are available: .{0,80}\. .{0,20}"))
def test_no_words_are_too_odd(message: str) -> None:
    causes_of(message)
    assert isinstance(why_unschedulable(message, Amounts(1, 1), ROOM), str)


def test_the_message_counts_our_own_pods_and_only_nodes_that_take_runners() -> None:
    job, other = make_job(), make_job("other")
    pods: list[tuple[Raw, str, Raw]] = [
        (job, "Pending", {"conditions": [{"type": "PodScheduled", "status": "False", "message": CPU}],
                              "node": "", "requests": {"cpu": "2", "memory": "1Gi"}}),
            (other, "Running", {"requests": {"cpu": "1500m", "memory": "1Gi"}})]  # fmt: skip
    taint = {"key": "x", "effect": "NoSchedule"}
    objects = [
        (Kind.NODE, make_node("cordoned", cpu="64", unschedulable=True)),
        (Kind.NODE, make_node("tainted", cpu="64", taints=[taint])),
        (Kind.NODE, make_node("gone", cpu="64", ready=False)),
    ]
    for owner, phase, more in pods:
        child = make_child(owner)
        objects += [(Kind.ANALYSIS_JOB, owner), (Kind.JOB, child), (Kind.POD, make_pod(child, phase=phase, **more))]
    picture = make_picture(objects)
    assert picture.room() == Room(Amounts(2000, 4096), Amounts(500, 3072))
    (patch,) = [one for one in decide(picture, NOW) if isinstance(one, PatchStatus) and one.name == "job"]
    assert patch.status["message"].startswith(
        "Admitted; pod unschedulable: needs 2 CPU, at most 0.5 CPU free on any (of 2 nodes 1 with too little CPU"
    )
    child = make_child(other)
    picture.observe(Kind.POD, "MODIFIED", make_pod(child, phase="Succeeded", version=99))
    assert picture.room() == Room(Amounts(2000, 4096), Amounts(2000, 4096))
    picture.observe(Kind.POD, "DELETED", make_pod(child, phase="Succeeded", version=100))
    assert picture.room() == Room(Amounts(2000, 4096), Amounts(2000, 4096))

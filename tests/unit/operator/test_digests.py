"""Digests of raw objects, hostile and odd ones too."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.exits import FailureClass
from forge_core.phase import Phase
from forge_operator.digesting import read
from forge_operator.digests import (
    AnalysisJobDigest,
    JobDigest,
    Kind,
    NamespaceDigest,
    NodeDigest,
    PodDigest,
    PullDigest,
    QueueDigest,
)
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NOW,
    ago,
    ended,
    make_child,
    make_event,
    make_job,
    make_namespace,
    make_node,
    make_pod,
    make_pull,
    make_queue,
    with_status,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
JOB = make_job()
CHILD = make_child(JOB)
WHOLE: dict[Kind, dict[str, Any]] = {
    Kind.ANALYSIS_JOB: with_status(JOB, phase="Running", progress=5, conditions=[{"type": "Admitted"}]),
    Kind.JOB_QUEUE: make_queue(),
    Kind.NAMESPACE: make_namespace(),
    Kind.JOB: CHILD,
    Kind.POD: make_pod(CHILD, state=ended(10, message="no such ref")),
    Kind.NODE: make_node(),
    Kind.EVENT: make_event(CHILD, "exceeded quota"),
    Kind.PULL: make_pull(make_pod(CHILD)),
}


def _paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every part of a JSON value."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [at, *(path for key, child in children for path in _paths(child, (*at, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[Kind, object]:
    """A good object of any kind with one part replaced by anything."""
    kind = draw(st.sampled_from(list(Kind)))
    raw: Any = copy.deepcopy(WHOLE[kind])
    path = draw(st.sampled_from(_paths(raw)))
    anything = draw(JSON)
    if not path:
        return kind, anything
    target = raw
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = anything
    return kind, raw


@given(spoilt())
def test_no_object_however_odd_makes_a_reader_raise(case: tuple[Kind, object]) -> None:
    kind, raw = case
    read(kind, raw)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_reads_as_a_digest_with_its_identity(kind: Kind) -> None:
    digest = read(kind, WHOLE[kind])
    assert digest is not None
    assert digest.uid == WHOLE[kind]["metadata"]["uid"]
    assert digest.version == int(WHOLE[kind]["metadata"]["resourceVersion"])


def test_a_job_without_status_reads_as_queued() -> None:
    digest = read(Kind.ANALYSIS_JOB, make_job())
    assert isinstance(digest, AnalysisJobDigest)
    assert digest.status.phase is Phase.QUEUED


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"priority": 0}, "spec.priority"),
        ({"priority": "high"}, "spec.priority"),
        ({"timeout": "soon"}, "is not a duration"),
        ({"repository": {"url": ""}}, "spec.repository.url"),
        ({"repository": "https://example.com"}, "spec.repository"),
        ({"queue": ""}, "spec.queue"),
        ({"config": {"paths": ["x" * 20_000]}}, "may be at most 16384"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_job_that_cannot_be_carried_out_keeps_the_sentence_that_says_why(spec: dict[str, Any], said: str) -> None:
    digest = read(Kind.ANALYSIS_JOB, make_job(**spec))
    assert isinstance(digest, AnalysisJobDigest)
    assert digest.spec is None
    assert said in digest.problem


def test_an_odd_queue_keeps_the_sentence_that_says_why() -> None:
    digest = read(Kind.JOB_QUEUE, make_queue(concurrency=-1))
    assert isinstance(digest, QueueDigest)
    assert digest.spec is None
    assert "spec.concurrency" in digest.problem


def test_a_job_that_only_claims_to_be_ours_is_none_of_ours() -> None:
    stranger = copy.deepcopy(CHILD)
    stranger["metadata"]["name"] = "another-name"
    assert read(Kind.JOB, stranger) is None
    orphan = copy.deepcopy(CHILD)
    del orphan["metadata"]["ownerReferences"]
    assert read(Kind.JOB, orphan) is None


def test_a_pod_without_a_controlling_job_is_none_of_ours() -> None:
    pod = make_pod(CHILD)
    pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "uid": "u", "controller": True}]
    assert read(Kind.POD, pod) is None


def test_the_outcome_of_a_job_is_known_before_its_pods_are_gone() -> None:
    failing = {"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy", "message": "code 10"}
    digest = read(Kind.JOB, make_child(JOB, conditions=[failing], active=0, terminating=1))
    assert isinstance(digest, JobDigest)
    assert digest.failure is not None
    assert digest.failure.reason == "PodFailurePolicy"
    assert not digest.quiet


def test_a_condition_that_is_false_says_nothing() -> None:
    waiting = {"type": "Complete", "status": "False"}
    digest = read(Kind.JOB, make_child(JOB, conditions=[waiting]))
    assert isinstance(digest, JobDigest)
    assert not digest.decided


def test_a_runner_out_of_memory_is_told_from_other_ends() -> None:
    digest = read(Kind.POD, make_pod(CHILD, phase="Failed", state=ended(137, reason="OOMKilled")))
    assert isinstance(digest, PodDigest)
    assert digest.out_of_memory
    assert digest.exit_code == 137
    assert digest.memory_limit == "512Mi"
    assert digest.started_at is not None
    assert digest.started_at < NOW


def test_the_last_words_of_a_runner_are_read_from_its_pod() -> None:
    state = ended(10, attempt=2, failure_class=FailureClass.PERMANENT, message="no such ref", stage="cloning")
    digest = read(Kind.POD, make_pod(CHILD, phase="Failed", state=state))
    assert isinstance(digest, PodDigest)
    assert digest.words is not None
    assert digest.words.attempt == 2
    assert digest.words.message == "no such ref"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}, Reason.IMAGE_UNAVAILABLE),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, Reason.IMAGE_UNAVAILABLE),
        ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, Reason.CONTAINER_NOT_STARTED),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]},
            Reason.UNSCHEDULABLE,
        ),
    ],
    ids=["image not there", "image backing off", "config error", "unschedulable"],
)
def test_what_keeps_a_pod_from_running_is_named(status: dict[str, Any], reason: Reason) -> None:
    digest = read(Kind.POD, make_pod(CHILD, phase="Pending", **status))
    assert isinstance(digest, PodDigest)
    assert digest.trouble is not None
    assert digest.trouble.reason is reason
    assert digest.trouble.message


def test_a_container_being_created_is_no_trouble() -> None:
    digest = read(Kind.POD, make_pod(CHILD, phase="Pending", state={"waiting": {"reason": "ContainerCreating"}}))
    assert isinstance(digest, PodDigest)
    assert digest.trouble is None


def test_a_disruption_is_read_only_when_its_condition_holds() -> None:
    gone = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    hit = read(Kind.POD, make_pod(CHILD, conditions=[gone]))
    missed = read(Kind.POD, make_pod(CHILD, conditions=[{**gone, "status": "False"}]))
    assert isinstance(hit, PodDigest)
    assert isinstance(missed, PodDigest)
    assert hit.disruption == "EvictionByEvictionAPI"
    assert missed.disruption == ""


def test_a_namespace_without_the_label_has_no_tenant() -> None:
    digest = read(Kind.NAMESPACE, make_namespace(tenant=""))
    assert isinstance(digest, NamespaceDigest)
    assert digest.tenant == ""


def test_a_node_whose_kubelet_is_silent_is_not_ready() -> None:
    digest = read(Kind.NODE, make_node(ready=False))
    assert isinstance(digest, NodeDigest)
    assert not digest.ready


@pytest.mark.parametrize(
    ("took", "seconds"),
    [("2.345s", 2.345), ("1m2.5s", 62.5), ("345ms", 0.345), ("1h0m1s", 3601.0), ("870.5µs", 0.001), ("soon", None)],
)
def test_how_long_an_image_was_pulled_is_read_from_the_kubelets_words(took: str, seconds: float | None) -> None:
    digest = read(Kind.PULL, make_pull(make_pod(CHILD), took))
    assert isinstance(digest, PullDigest)
    assert (digest.seconds, digest.present) == (seconds, False)


def test_an_image_that_was_there_was_not_pulled() -> None:
    digest = read(Kind.PULL, make_pull(make_pod(CHILD), ""))
    assert isinstance(digest, PullDigest)
    assert (digest.seconds, digest.present) == (None, True)


def test_who_set_cancel_is_told_by_the_owner_of_that_field_alone() -> None:
    raw = make_job(cancel=True)
    raw["metadata"]["managedFields"] = [
        {"manager": "kubectl-create", "time": ago(60), "fieldsV1": {"f:spec": {"f:queue": {}}}},
        {"manager": "kubectl-patch", "time": ago(5), "fieldsV1": {"f:spec": {"f:cancel": {}}}},
        {"manager": "kopf", "fieldsV1": {"f:status": {"f:cancel": {}}}},
    ]
    digest = read(Kind.ANALYSIS_JOB, raw)
    assert isinstance(digest, AnalysisJobDigest)
    assert digest.cancel_wish is not None
    assert (digest.cancel_wish.manager, digest.cancel_wish.at) == ("kubectl-patch", NOW - timedelta(seconds=5))


@pytest.mark.parametrize("fields", [None, [], [None], [{"manager": 3, "fieldsV1": {"f:spec": {"f:cancel": {}}}}], "x"])
def test_managed_fields_that_tell_nothing_leave_the_asker_unknown(fields: object) -> None:
    raw = make_job(cancel=True)
    raw["metadata"]["managedFields"] = fields
    digest = read(Kind.ANALYSIS_JOB, raw)
    assert isinstance(digest, AnalysisJobDigest)
    assert digest.cancel_wish is not None
    assert digest.cancel_wish.manager == ""


def test_a_job_that_is_not_to_be_cancelled_has_no_asker() -> None:
    digest = read(Kind.ANALYSIS_JOB, make_job())
    assert isinstance(digest, AnalysisJobDigest)
    assert digest.cancel_wish is None


def test_a_sidecar_counts_in_what_a_pod_asks_for_and_a_plain_init_container_does_not() -> None:
    pod = make_pod(CHILD, requests={"cpu": "200m", "memory": "256Mi"})
    asks = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    pod["spec"]["initContainers"] = [
        {"name": "sandbox", "restartPolicy": "Always", "resources": asks},
        {"name": "before", "resources": asks},
    ]
    digest = read(Kind.POD, pod)
    assert isinstance(digest, PodDigest)
    assert (digest.needs.cpu, digest.needs.memory) == (300, 384)


def test_a_sandbox_that_cannot_start_is_the_pods_trouble() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = make_pod(CHILD, phase="Pending", state={"waiting": {"reason": "PodInitializing"}})
    pod["status"]["initContainerStatuses"] = [{"name": "sandbox", "state": waiting}]
    digest = read(Kind.POD, pod)
    assert isinstance(digest, PodDigest)
    assert digest.trouble is not None
    assert (digest.trouble.reason, digest.trouble.message) == (Reason.IMAGE_UNAVAILABLE, "no such image")

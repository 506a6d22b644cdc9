"""Raw Kubernetes objects as the operator would see them, and a picture made of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from forge_core.durations import timestamp
from forge_core.messages import Termination
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    API_VERSION,
    ATTEMPTS_ANNOTATION,
    JOB_UID_LABEL,
    MAX_RUNNING_ANNOTATION,
    QUEUE_LABEL,
    TENANT_LABEL,
    WEIGHT_ANNOTATION,
    child_job_name,
)
from forge_operator.digests import Kind
from forge_operator.known import Surroundings
from forge_operator.picture import Picture

Raw = dict[str, Any]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "tenant-a"


def ago(seconds: float) -> str:
    """The time so many seconds before NOW, as Kubernetes writes it."""
    return timestamp(NOW - timedelta(seconds=seconds))


def make_job(name: str = "job", *, namespace: str = NAMESPACE, version: int = 10, age: float = 60, **spec: Any) -> Raw:
    """An AnalysisJob without a status; its UID follows from its name."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}"[:64],
            "resourceVersion": str(version),
            "creationTimestamp": ago(age),
        },
        "spec": {"queue": "analysis", "repository": {"url": "https://example.com/r.git"}, **spec},
    }


def with_status(raw: Raw, version: int = 11, **status: Any) -> Raw:
    """The same object with a status and a newer version."""
    return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}, "status": status}


def make_queue(name: str = "analysis", *, version: int = 5, **spec: Any) -> Raw:
    """A JobQueue of ten slots, three attempts of fifteen minutes."""
    defaults = {
        "jobType": "analysis",
        "concurrency": 10,
        "timeout": "15m",
        "retry": {"attempts": 3, "backoff": {"type": "exponential", "delay": "2s"}},
        "image": "registry.example/analysis:1",
    }
    return {
        "metadata": {"name": name, "uid": f"uid-queue-{name}", "resourceVersion": str(version)},
        "spec": {**defaults, **spec},
    }


def make_namespace(
    name: str = NAMESPACE,
    *,
    tenant: str | None = None,
    version: int = 3,
    weight: object = None,
    max_running: object = None,
    **labels: str,
) -> Raw:
    """A namespace of the tenant of the same name; `tenant=""` leaves the label out."""
    tenant = name if tenant is None else tenant
    own = {TENANT_LABEL: tenant} if tenant else {}
    terms = {WEIGHT_ANNOTATION: weight, MAX_RUNNING_ANNOTATION: max_running}
    metadata = {
        "name": name,
        "uid": f"uid-ns-{name}",
        "resourceVersion": str(version),
        "labels": {**own, **labels},
        "annotations": {key: str(value) for key, value in terms.items() if value is not None},
    }
    return {"metadata": metadata}


def make_node(name: str = "node-1", *, ready: bool = True, version: int = 4, cpu: str = "2", **spec: Any) -> Raw:
    """A node of `cpu` cores and 4 GiB."""
    condition = {"type": "Ready", "status": "True" if ready else "Unknown"}
    return {
        "metadata": {"name": name, "uid": f"uid-node-{name}", "resourceVersion": str(version)},
        "spec": spec,
        "status": {"conditions": [condition], "allocatable": {"cpu": cpu, "memory": "4194304Ki"}},
    }


def make_child(job: Raw, *, version: int = 20, age: float = 30, deadline: int = 3606, **more: Any) -> Raw:
    """The batch/v1 Job of an AnalysisJob; `more` goes to its status, `suspend` to its spec."""
    meta = job["metadata"]
    spec: Raw = {"activeDeadlineSeconds": deadline}
    if more.pop("suspend", False):
        spec["suspend"] = True
    return {
        "metadata": {
            "name": child_job_name(meta["name"], meta["uid"]),
            "namespace": meta["namespace"],
            "uid": f"job-of-{meta['uid']}",
            "resourceVersion": str(version),
            "creationTimestamp": ago(age),
            "labels": {QUEUE_LABEL: job["spec"]["queue"], TENANT_LABEL: meta["namespace"], JOB_UID_LABEL: meta["uid"]},
            "annotations": {ATTEMPTS_ANNOTATION: "3"},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": ANALYSIS_JOB_KIND,
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": spec,
        "status": {"startTime": ago(age), "active": 1, **more},
    }


def condition(of_type: str, reason: str = "", message: str = "", *, since: float = 0) -> Raw:
    """A condition that is True."""
    return {
        "type": of_type,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(since),
    }


def make_pod(
    child: Raw, name: str = "pod-1", *, phase: str = "Running", version: int = 30, age: float = 25, **more: Any
) -> Raw:
    """A pod of a Job. `state` is the runner's container state, `conditions` and the rest go to its status."""
    state = more.pop("state", {"running": {"startedAt": ago(20)}} if phase == "Running" else {})
    metadata = {
        "name": name,
        "namespace": child["metadata"]["namespace"],
        "uid": f"uid-{child['metadata']['uid']}-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": ago(age),
        "labels": child["metadata"]["labels"],
        "ownerReferences": [{"kind": "Job", "uid": child["metadata"]["uid"], "controller": True}],
    }
    if "deleted" in more:
        metadata["deletionTimestamp"] = ago(more.pop("deleted"))
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": more.pop("node", "node-1"),
            "containers": [
                {"name": "runner", "resources": {"limits": {"memory": "512Mi"}, "requests": more.pop("requests", {})}}
            ],
        },
        "status": {"phase": phase, "containerStatuses": [{"name": "runner", "state": state}], **more},
    }


def ended(code: int, *, started: float = 20, at: float = 1, reason: str = "Error", **words: Any) -> Raw:
    """The state of a container that ended, with the runner's last words."""
    message = Termination(**words).encode() if words else ""
    ended_state = {
        "exitCode": code,
        "reason": reason,
        "message": message,
        "startedAt": ago(started),
        "finishedAt": ago(at),
    }
    return {"terminated": ended_state}


def make_event(child: Raw, message: str, version: int = 40) -> Raw:
    """The Event of a Job controller that could not create a pod."""
    return {
        "metadata": {"name": "event", "namespace": "tenant-a", "uid": "uid-event", "resourceVersion": str(version)},
        "involvedObject": {"kind": "Job", "uid": child["metadata"]["uid"]},
        "reason": "FailedCreate",
        "message": message,
    }


def make_pull(pod: Raw, took: str = "2.345s", version: int = 41, at: float = 21) -> Raw:
    """The Event of a kubelet that has pulled a runner's image; `took` "" when the node had it already."""
    said = f'Successfully pulled image "runner:1" in {took} ({took} including waiting). Image size: 9 bytes.'
    meta = pod["metadata"]
    return {
        "metadata": {
            "name": f"{meta['name']}.17",
            "namespace": meta["namespace"],
            "uid": f"uid-pull-{meta['name']}",
            "resourceVersion": str(version),
        },
        "involvedObject": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
        "reason": "Pulled",
        "message": said if took else 'Container image "runner:1" already present on machine',
        "firstTimestamp": ago(at),
    }


def make_picture(
    objects: Iterable[tuple[Kind, Raw]] = (), *, surroundings: Surroundings | None = None, complete: bool = True
) -> Picture:
    """A picture of a tenant's namespace, the queue `analysis`, a node, and `objects`; the history is known."""
    picture = Picture(NOW - timedelta(hours=1), surroundings)
    picture.history_known = True
    standing = [(Kind.NAMESPACE, make_namespace()), (Kind.JOB_QUEUE, make_queue()), (Kind.NODE, make_node())]
    for kind, raw in [*standing, *objects]:
        picture.observe(kind, "ADDED", raw)
    if complete:
        for kind in Kind:
            picture.relisted(kind, {digest.uid for digest in picture.held(kind)}, 0)
    return picture

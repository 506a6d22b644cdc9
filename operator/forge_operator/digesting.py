"""From raw objects to digests: takes objects as they came, hostile or odd ones too, and never raises.

An object that is not ours or has no identity reads as None; an AnalysisJob or JobQueue that can't be carried out keeps
the sentence that says why.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from forge_core.messages import Termination
from forge_core.names import (
    ANALYSIS_ID_ANNOTATION,
    ANALYSIS_JOB_KIND,
    ATTEMPTS_ANNOTATION,
    GROUP,
    JOB_UID_LABEL,
    MAX_RUNNING_ANNOTATION,
    QUEUE_LABEL,
    RUNNER_CONTAINER,
    SANDBOX_CONTAINER,
    STALLED_CONDITION,
    TENANT_LABEL,
    WEIGHT_ANNOTATION,
    child_job_name,
)
from forge_core.phase import Phase
from forge_core.resource import MAX_CONFIG_BYTES, Invalid, JobSpec, QueueSpec
from forge_operator.digests import (
    AnalysisJobDigest,
    AnyDigest,
    CancelWish,
    Condition,
    EventDigest,
    JobDigest,
    Kind,
    NamespaceDigest,
    NodeDigest,
    PodDigest,
    PullDigest,
    QueueDigest,
    Status,
    Trouble,
)
from forge_operator.reading import amount, items, moment, part, text, texts, truth, whole
from forge_operator.reasons import Reason
from forge_operator.unschedulable import Amounts

MAX_WEIGHT: Final = 1000
MAX_RUNNING: Final = 1_000_000
_IMAGE_TROUBLE: Final = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_START_TROUBLE: Final = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def read(kind: Kind, raw: object) -> AnyDigest | None:
    """The digest of a raw object; None when it has no identity or is none of ours."""
    if not text(raw, "metadata", "uid") or not text(raw, "metadata", "name"):
        return None
    return _READERS[kind](raw)


def _identity(raw: object) -> dict[str, Any]:
    meta = part(raw, "metadata")
    return {
        "uid": text(meta, "uid"),
        "name": text(meta, "name"),
        "namespace": text(meta, "namespace"),
        "version": whole(meta, "resourceVersion"),
        "created": moment(meta, "creationTimestamp"),
        "deleted_at": moment(meta, "deletionTimestamp"),
    }


def _conditions(raw: object) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            text(found, "type"),
            text(found, "status"),
            text(found, "reason"),
            text(found, "message", limit=32768),
            moment(found, "lastTransitionTime"),
        )
        for found in items(raw, "status", "conditions")
    )


def _status(raw: object) -> Status:
    status = part(raw, "status")
    try:
        phase = Phase(text(status, "phase"))
    except ValueError:
        phase = Phase.QUEUED
    return Status(
        phase=phase,
        message=text(status, "message", limit=32768),
        conditions=_conditions(raw),
        progress=whole(status, "progress"),
        stage=text(status, "stage"),
        attempts=whole(status, "attempts"),
        queued_at=moment(status, "queuedAt"),
        admitted_at=moment(status, "admittedAt"),
        started_at=moment(status, "startedAt"),
        completed_at=moment(status, "completedAt"),
        job_name=text(status, "jobName"),
        summary=part(status, "summary") or None,
    )


def _analysis_job(raw: object) -> AnalysisJobDigest:
    spec, problem = None, ""
    try:
        spec = _within_limits(JobSpec.read(part(raw, "spec")))
    except (Invalid, ValueError, RecursionError) as error:
        problem = f"spec.{error}"[:1000]
    return AnalysisJobDigest(
        **_identity(raw),
        spec=spec,
        problem=problem,
        status=_status(raw),
        analysis_id=texts(raw, "metadata", "annotations").get(ANALYSIS_ID_ANNOTATION, ""),
        queue=text(raw, "spec", "queue"),
        cancel_wish=_cancel_wish(raw) if truth(raw, "spec", "cancel") else None,
    )


def _cancel_wish(raw: object) -> CancelWish:
    """Who owns the field `spec.cancel` by now."""
    for entry in items(raw, "metadata", "managedFields"):
        if "f:cancel" in part(entry, "fieldsV1", "f:spec"):
            return CancelWish(text(entry, "manager", limit=128), moment(entry, "time"))
    return CancelWish("", None)


def _within_limits(spec: JobSpec) -> JobSpec:
    size = len(json.dumps(spec.config).encode())
    if size > MAX_CONFIG_BYTES:
        raise Invalid(f"config is {size} bytes long; it may be at most {MAX_CONFIG_BYTES}")
    return spec


def _queue(raw: object) -> QueueDigest:
    try:
        spec, problem = QueueSpec.read(part(raw, "spec")), ""
    except (Invalid, ValueError, RecursionError) as error:
        spec, problem = None, f"spec.{error}"[:1000]
    generation = whole(raw, "metadata", "generation")
    return QueueDigest(**_identity(raw), spec=spec, problem=problem, generation=generation)


def _namespace(raw: object) -> NamespaceDigest:
    labels, annotations = texts(raw, "metadata", "labels"), texts(raw, "metadata", "annotations")
    weight, weightless = _within(annotations, WEIGHT_ANNOTATION, 1, MAX_WEIGHT)
    cap, capless = _within(annotations, MAX_RUNNING_ANNOTATION, 0, MAX_RUNNING)
    return NamespaceDigest(
        **_identity(raw),
        tenant=labels.get(TENANT_LABEL, ""),
        labels=labels,
        weight=weight,
        max_running=cap,
        problem="; ".join(filter(None, (weightless, capless))),
    )


def _within(annotations: dict[str, str], key: str, least: int, most: int) -> tuple[int | None, str]:
    """The whole number of an annotation, None when it is left out or ignored, and then why it is ignored."""
    said = annotations.get(key)
    if said is None:
        return None, ""
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else -1
    if least <= number <= most:
        return number, ""
    return None, f"annotation {key} is ignored: {said[:40]!r} is no whole number from {least} to {most}"


def _controller(raw: object, kind: str) -> dict[str, Any]:
    owners = items(raw, "metadata", "ownerReferences")
    return next((owner for owner in owners if truth(owner, "controller") and text(owner, "kind") == kind), {})


def _job(raw: object) -> JobDigest | None:
    owner = _controller(raw, ANALYSIS_JOB_KIND)
    owner_uid, owner_name = text(owner, "uid"), text(owner, "name")
    ours = owner_uid and text(owner, "apiVersion").startswith(f"{GROUP}/")
    if not ours or text(raw, "metadata", "name") != child_job_name(owner_name, owner_uid):
        return None
    labels = texts(raw, "metadata", "labels")
    holding = {condition.type: condition for condition in _conditions(raw) if condition.holds}
    return JobDigest(
        **_identity(raw),
        owner_uid=owner_uid,
        owner_name=owner_name,
        queue=labels.get(QUEUE_LABEL, ""),
        tenant=labels.get(TENANT_LABEL, ""),
        attempts=whole(raw, "metadata", "annotations", ATTEMPTS_ANNOTATION, default=1),
        active=whole(raw, "status", "active"),
        ready=whole(raw, "status", "ready"),
        succeeded=whole(raw, "status", "succeeded"),
        failed=whole(raw, "status", "failed"),
        terminating=whole(raw, "status", "terminating"),
        suspend=truth(raw, "spec", "suspend"),
        suspended="Suspended" in holding,
        failure=holding.get("Failed") or holding.get("FailureTarget"),
        success=holding.get("Complete") or holding.get("SuccessCriteriaMet"),
        started_at=moment(raw, "status", "startTime"),
        completed_at=moment(raw, "status", "completionTime"),
        deadline=whole(raw, "spec", "activeDeadlineSeconds") or None,
    )


def _named(raw: object, *path: str, name: str = RUNNER_CONTAINER) -> dict[str, Any]:
    return next((found for found in items(raw, *path) if text(found, "name") == name), {})


def _trouble(raw: object, runner: dict[str, Any]) -> Trouble | None:
    sandbox = _named(raw, "status", "initContainerStatuses", name=SANDBOX_CONTAINER)  # without it no runner starts
    for container in (runner, sandbox):
        waiting, reason = text(container, "state", "waiting", "message"), text(container, "state", "waiting", "reason")
        if reason in _IMAGE_TROUBLE:
            return Trouble(Reason.IMAGE_UNAVAILABLE, waiting or reason)
        if reason in _START_TROUBLE:
            return Trouble(Reason.CONTAINER_NOT_STARTED, waiting or reason)
    for condition in items(raw, "status", "conditions"):
        if text(condition, "type") == "PodScheduled" and text(condition, "status") == "False":
            return Trouble(Reason.UNSCHEDULABLE, text(condition, "message") or text(condition, "reason"))
    return None


def _pod(raw: object) -> PodDigest | None:
    job = _controller(raw, "Job")
    if not text(job, "uid") or JOB_UID_LABEL not in texts(raw, "metadata", "labels"):
        return None
    runner = _named(raw, "status", "containerStatuses")
    ended = part(runner, "state", "terminated")
    holding = {condition.type: condition for condition in _conditions(raw) if condition.holds}
    disruption, stalled, placed = (holding.get(one) for one in ("DisruptionTarget", STALLED_CONDITION, "PodScheduled"))
    running_since = moment(runner, "state", "running", "startedAt")
    exit_code = ended.get("exitCode")
    return PodDigest(
        **_identity(raw),
        job_uid=text(job, "uid"),
        node=text(raw, "spec", "nodeName"),
        phase=text(raw, "status", "phase"),
        reason=text(raw, "status", "reason"),
        message=text(raw, "status", "message"),
        disruption=(disruption.reason or "DisruptionTarget") if disruption else "",
        stalled=(stalled.message[:200] or "no heartbeat") if stalled else "",
        trouble=_trouble(raw, runner),
        running_since=running_since,
        scheduled_at=placed.since if placed else None,
        started_at=running_since or moment(ended, "startedAt"),
        ended_at=moment(ended, "finishedAt"),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        out_of_memory=text(ended, "reason") == "OOMKilled",
        words=Termination.decode(text(ended, "message", limit=8192)),
        memory_limit=texts(_named(raw, "spec", "containers"), "resources", "limits").get("memory", "")[:32],
        needs=_needs(raw),
    )


def _needs(raw: object) -> Amounts:
    sidecars = [each for each in items(raw, "spec", "initContainers") if text(each, "restartPolicy") == "Always"]
    asked = [part(container, "resources", "requests") for container in (*items(raw, "spec", "containers"), *sidecars)]
    return _amounts(sum(amount(one, "cpu") for one in asked), sum(amount(one, "memory") for one in asked))


@lru_cache(maxsize=1024)
def _amounts(cpu: int, memory: int) -> Amounts:
    """One object for all pods of a size."""
    return Amounts(cpu, memory)


def _node(raw: object) -> NodeDigest:
    ready = any(c.type == "Ready" and c.holds for c in _conditions(raw))
    closed = truth(raw, "spec", "unschedulable")
    tainted = any(text(taint, "effect") in {"NoSchedule", "NoExecute"} for taint in items(raw, "spec", "taints"))
    has = part(raw, "status", "allocatable")
    offers = Amounts(amount(has, "cpu"), amount(has, "memory"))
    return NodeDigest(**_identity(raw), ready=ready, takes_pods=ready and not closed and not tainted, offers=offers)


def _event(raw: object) -> EventDigest | None:
    about = part(raw, "involvedObject")
    if text(about, "kind") != "Job" or text(raw, "reason") != "FailedCreate":
        return None
    return EventDigest(
        **_identity(raw), about_uid=text(about, "uid"), reason=text(raw, "reason"), message=text(raw, "message")
    )


def _pull(raw: object) -> PullDigest | None:
    about = part(raw, "involvedObject")
    at = moment(raw, "firstTimestamp") or moment(raw, "eventTime") or moment(raw, "metadata", "creationTimestamp")
    if text(about, "kind") != "Pod" or text(raw, "reason") != "Pulled" or at is None:
        return None
    said = text(raw, "message")
    took = _TOOK.search(said)
    return PullDigest(
        **_identity(raw),
        pod_uid=text(about, "uid"),
        at=at,
        present=took is None and "already present" in said,
        seconds=_go_seconds(took[1]) if took else None,
    )


def _go_seconds(text: str) -> float | None:
    """Seconds of a duration as Go prints it: 1m2.5s, 345ms."""
    parts = _GO_PART.findall(text)
    return round(sum(float(count) * _GO_UNITS[unit] for count, unit in parts), 3) if parts else None


_TOOK: Final = re.compile(r" in ([0-9hmsnuµ.]{2,30}) \(")
_GO_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|us|µs|ns|m|s)")
_GO_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_READERS: Final[dict[Kind, Callable[[object], AnyDigest | None]]] = {
    Kind.ANALYSIS_JOB: _analysis_job,
    Kind.JOB_QUEUE: _queue,
    Kind.NAMESPACE: _namespace,
    Kind.JOB: _job,
    Kind.POD: _pod,
    Kind.NODE: _node,
    Kind.EVENT: _event,
    Kind.PULL: _pull,
}

"""An AnalysisJob's digest as the history keeps it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from forge_core.durations import format_duration
from forge_core.exits import FailureClass
from forge_core.history.breaches import Breach
from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from forge_core.quantities import mebibytes, millicores
from forge_core.resource import LOWEST_PRIORITY, QueueSpec
from forge_operator.digests import AnalysisJobDigest, PodDigest
from forge_operator.outcomes import class_of_failure
from forge_operator.picture import Picture
from forge_operator.reasons import ConditionType
from forge_operator.sla import Clock, clock_of

MOST: Final = 2**31 - 1
_CONDITION = {
    Phase.COMPLETED: ConditionType.COMPLETE,
    Phase.FAILED: ConditionType.FAILED,
    Phase.CANCELLED: ConditionType.COMPLETE,
}


def breach_of(clock: Clock) -> Breach:
    """A clock that ran out. Raises ValueError for a UID that is none."""
    return Breach(UUID(clock.uid), clock.kind, clock.began, clock.limit, clock.due)


def record_of(picture: Picture, job: AnalysisJobDigest) -> JobRecord | None:
    """The record of a job as the picture has it now; None for a UID that is none."""
    try:
        uid = UUID(job.uid)
    except ValueError:
        return None
    queue = picture.queues.get(job.queue)
    status, default = job.status, queue.spec.default_priority if queue and queue.spec else LOWEST_PRIORITY
    child = picture.job_of(job)
    pods = picture.all_pods_of(child) if child else []
    condition = status.condition(_CONDITION.get(status.phase, ConditionType.ADMITTED))
    created = job.created or picture.began
    clock = clock_of(job, queue.spec.sla if queue and queue.spec else None) if status.phase.terminal else None
    return JobRecord(
        uid=uid,
        resource_version=job.version,
        tenant=picture.tenant_of(job.namespace),
        namespace=job.namespace,
        name=job.name,
        queue=job.queue,
        kind=queue.spec.job_type if queue and queue.spec else "",
        spec=_spec(job),
        priority=job.spec.priority if job.spec and job.spec.priority else default,
        phase=status.phase,
        created_at=created,
        stage=status.stage,
        progress=status.progress,
        attempts=status.attempts,
        message=status.message,
        reason=condition.reason if condition else "",
        failure_class=_failure_class(status.phase, condition.reason if condition else "", pods),
        queued_at=status.queued_at or created,
        admitted_at=status.admitted_at or (child.created if child else None),
        started_at=status.started_at,
        completed_at=status.completed_at,
        last_pod_ended_at=_last_end(pods) if status.phase.terminal else None,
        breach=breach_of(clock) if clock else None,
        retry_of=job.spec.retry_of if job.spec else None,
        **_size(job, queue.spec if queue else None),
    )


def _size(job: AnalysisJobDigest, queue: QueueSpec | None) -> dict[str, Any]:
    """What its pod asks for; Kubernetes takes a limit for a request that isn't there."""
    name = (job.spec.resource_class if job.spec else "") or (queue.default_resource_class if queue else "")
    size = queue.resource_classes.get(name) if queue else None
    if size is None:
        return {}
    asked = [{**size.limits, **size.requests}]
    if queue and queue.sandbox:
        asked.append({**queue.sandbox.limits, **queue.sandbox.requests})
    return {
        "resource_class": name,
        "cpu_millis": _total(millicores, [each.get("cpu", "0") for each in asked]),
        "memory_mib": _total(mebibytes, [each.get("memory", "0") for each in asked]),
    }


def _total(read: Callable[[str], int], quantities: list[str]) -> int:
    """As much as a column holds; an amount that can't be read counts as nothing."""
    total = 0
    for quantity in quantities:
        with suppress(ValueError):
            total += read(quantity)
    return min(total, MOST)


def _spec(job: AnalysisJobDigest) -> dict[str, Any]:
    if job.spec is None:
        return {"queue": job.queue}
    spec: dict[str, Any] = job.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if job.spec.timeout is not None:
        spec["timeout"] = format_duration(job.spec.timeout)
    return spec


def _failure_class(phase: Phase, reason: str, pods: list[PodDigest]) -> str:
    if phase is not Phase.FAILED:
        return FailureClass.CANCELLED if phase is Phase.CANCELLED else ""
    return class_of_failure(reason, pods) or ""  # then the history takes the last attempt's


def _last_end(pods: list[PodDigest]) -> datetime | None:
    return max((pod.ended_at for pod in pods if pod.ended_at), default=None)

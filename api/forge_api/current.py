"""A job as it is now: its row, and for an open job what the AnalysisJob's status says beyond it.

So the API shows what `kubectl get aj` shows, though the history may follow some moments later. The row alone is the
answer when it is terminal, or when the cluster can't be asked.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from forge_core.cluster import ClusterError, Raw, analysis_jobs
from forge_core.durations import parse_timestamp
from forge_core.history.queries import Job
from forge_core.kube import Kubernetes, read
from forge_core.phase import Phase


async def current(kube: Kubernetes, job: Job) -> Job:
    """Never raises for the cluster's sake."""
    if job.phase.terminal or job.uid is None:
        return job
    try:
        found = await read(kube, analysis_jobs(job.namespace, job.name))
    except ClusterError:
        return job
    return with_status(job, found)


def with_status(job: Job, found: Raw) -> Job:
    """The row with a status laid over it, if it is that job's."""
    status: dict[str, Any] = found.get("status") or {}
    if _uid(found) != job.uid or status.get("phase") not in set(Phase):
        return job
    phase = Phase(status["phase"])
    return replace(
        job,
        phase=phase,
        stage=str(status.get("stage", "")),
        progress=int(status.get("progress", job.progress)),
        attempts=int(status.get("attempts", job.attempts)),
        message=str(status.get("message", "")),
        reason=_reason(status) or job.reason,
        started_at=_moment(status.get("startedAt")) or job.started_at,
        completed_at=_moment(status.get("completedAt")) or job.completed_at if phase.terminal else None,
    )


def _reason(status: dict[str, Any]) -> str:
    """That of the condition which tells most."""
    reasons = {one.get("type"): one.get("reason") for one in status.get("conditions") or () if isinstance(one, dict)}
    return str(next((reasons[name] for name in ("Failed", "Complete", "Admitted") if reasons.get(name)), ""))


def _uid(found: Raw) -> UUID | None:
    try:
        return UUID(found["metadata"]["uid"])
    except (KeyError, ValueError):
        return None


def _moment(text: object) -> datetime | None:
    try:
        return parse_timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None

"""What is written to an AnalysisJob's status at each step, as the smallest merge patch that says it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from forge_core.durations import timestamp
from forge_core.exits import Exit
from forge_core.phase import Phase
from forge_operator.actions import PatchStatus
from forge_operator.conditions import MAX_MESSAGE, Said, conditions_with
from forge_operator.digests import AnalysisJobDigest, JobDigest, PodDigest
from forge_operator.known import Report
from forge_operator.reasons import ConditionType, Reason

MAX_ATTEMPTS: Final = 1000
_ADMITTED: Final = Said(ConditionType.ADMITTED, True, Reason.ADMITTED, "")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a status is written from; `pods` oldest first, those included that are gone."""

    job: AnalysisJobDigest
    now: datetime
    child: JobDigest | None = None
    pods: Sequence[PodDigest] = ()
    report: Report | None = None


def attempts_of(facts: Facts) -> int:
    """Attempts begun so far, as far as the runners' reports and the pods tell; it never goes down."""
    charged = told = 0
    for pod in facts.pods:
        told = max(told, pod.words.attempt if pod.words else 0)
        charged += pod.started_at is not None and not pod.taken_away and pod.exit_code != Exit.BEFORE_CLAIM
    reported = facts.report.attempt if facts.report else 0
    return min(max(told, charged, reported, facts.job.status.attempts), MAX_ATTEMPTS)


def first_start(pods: Iterable[PodDigest]) -> datetime | None:
    """When the first of the pods began to run."""
    return min((pod.started_at for pod in pods if pod.started_at), default=None)


def waits(job: AnalysisJobDigest, reason: Reason, message: str, now: datetime) -> PatchStatus:
    """Still Queued: the gate that refuses is another than the status says."""
    said = Said(ConditionType.ADMITTED, False, reason, message)
    return replace(_patch(Facts(job, now), Phase.QUEUED, (said,), {"message": message}), spare=True)


def runs(facts: Facts) -> PatchStatus:
    """Running, with what is known of its progress."""
    more = {**_admitted(facts), **_progress(facts.report), "attempts": max(attempts_of(facts), 1), "message": ""}
    return _patch(facts, Phase.RUNNING, (_ADMITTED,), more)


def fares(facts: Facts, reason: Reason, message: str) -> PatchStatus | None:
    """How an admitted job fares: trouble of its pods, and its progress; None when the status says it already."""
    old = facts.job.status.condition(ConditionType.ADMITTED)
    same = old.holds and old.reason == reason if old is not None else reason is Reason.ADMITTED
    more = progress_of(facts.job, facts.report)
    if same and not more:
        return None
    if same:
        return replace(_patch(facts, facts.job.status.phase, (), more), spare=True)
    said = Said(ConditionType.ADMITTED, True, reason, message)
    return replace(_patch(facts, facts.job.status.phase, (said,), {**more, "message": message}), spare=True)


def progress_of(job: AnalysisJobDigest, report: Report | None) -> dict[str, Any]:
    """What of a report the status doesn't show yet."""
    if report is None or job.status.phase is not Phase.RUNNING:
        return {}
    shown = {"progress": job.status.progress, "stage": job.status.stage}
    changed = {key: value for key, value in _progress(report).items() if shown[key] != value}
    if job.status.attempts < min(report.attempt, MAX_ATTEMPTS):
        changed["attempts"] = min(report.attempt, MAX_ATTEMPTS)
    return changed


def is_cancelling(facts: Facts) -> PatchStatus:
    """Cancelling: its pods are still to end."""
    message = "Cancelling: its pods are being stopped"
    said = Said(ConditionType.ADMITTED, True, Reason.CANCELLING, message)
    return _patch(facts, Phase.CANCELLING, (said,), {**_admitted(facts), "message": message})


def is_cancelled(facts: Facts) -> PatchStatus:
    """Cancelled, by request."""
    began = facts.child is not None or facts.job.status.phase is not Phase.QUEUED
    message = "Cancelled on request" if began else "Cancelled on request before it began"
    said = Said(ConditionType.COMPLETE, False, Reason.CANCELLED, message)
    more = {**_admitted(facts), "attempts": attempts_of(facts), "completedAt": timestamp(facts.now), "message": message}
    return _patch(facts, Phase.CANCELLED, (said,), more)


def is_completed(facts: Facts) -> PatchStatus:
    """Completed: its result is stored."""
    said = Said(ConditionType.COMPLETE, True, Reason.SUCCEEDED, "")
    more = {**_ended(facts), "attempts": max(attempts_of(facts), 1), "progress": 100, "stage": None, "message": ""}
    return _patch(facts, Phase.COMPLETED, (_ADMITTED, said), more)


def is_failed(facts: Facts, reason: Reason, message: str) -> PatchStatus:
    """Failed after it had been admitted."""
    said = Said(ConditionType.FAILED, True, reason, message)
    more = {**_ended(facts), **_last_stage(facts), "attempts": attempts_of(facts), "message": message}
    return _patch(facts, Phase.FAILED, (_ADMITTED, said), more)


def is_invalid(job: AnalysisJobDigest, problem: str, now: datetime) -> PatchStatus:
    """Failed without having begun: it can't be carried out."""
    message = f"Invalid: {problem}. Correct it and apply it again under another name"
    said = Said(ConditionType.FAILED, True, Reason.INVALID, message)
    return _patch(Facts(job, now), Phase.FAILED, (said,), {"completedAt": timestamp(now), "message": message})


def _progress(report: Report | None) -> dict[str, Any]:
    return {"progress": max(0, min(report.percent, 100)), "stage": report.stage[:63]} if report else {}


def _last_stage(facts: Facts) -> dict[str, Any]:
    """Where it failed: by the last attempt's own words; of one that was killed without a word, by its last report."""
    last = next((pod.words for pod in reversed(facts.pods) if pod.words is None or pod.words.stage), None)
    stage = last.stage if last is not None else facts.report.stage if facts.report else ""
    return {"stage": stage[:63]} if stage else {}


def _admitted(facts: Facts) -> dict[str, Any]:
    if facts.child is None:
        return {}
    status = facts.job.status
    times = {
        "admittedAt": None if status.admitted_at else facts.child.created,
        "startedAt": None if status.started_at else first_start(facts.pods),
    }
    return {"jobName": facts.child.name, **{key: timestamp(at) for key, at in times.items() if at is not None}}


def _ended(facts: Facts) -> dict[str, Any]:
    condition = facts.child and (facts.child.failure or facts.child.success)
    decided = (condition.since if condition else None) or facts.now
    ended = max((pod.ended_at for pod in facts.pods if pod.ended_at), default=decided)
    return {**_admitted(facts), "completedAt": timestamp(max(ended, facts.job.status.started_at or ended))}


def _patch(facts: Facts, phase: Phase, said: tuple[Said, ...], more: dict[str, Any]) -> PatchStatus:
    job, status = facts.job, {"phase": phase.value, **more}
    if "message" in status:
        status["message"] = status["message"][:MAX_MESSAGE]
    if said:
        status["conditions"] = conditions_with(job.status, said, facts.now)
    if job.status.queued_at is None:
        status["queuedAt"] = timestamp(job.created or facts.now)
    return PatchStatus(job.uid, job.namespace, job.name, job.version, phase, status)

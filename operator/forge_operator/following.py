"""Following admitted jobs: from the Job's creation to the terminal phase, what each needs next.

The outcome is known as soon as the Job controller says FailureTarget or SuccessCriteriaMet, but the phase turns only
when no pod of the Job is active, ending or alive. Once Cancelling, only Cancelled follows.
"""

from datetime import datetime, timedelta
from typing import Final

from forge_core.phase import Phase
from forge_core.resource import Invalid
from forge_operator.actions import Action, CreateJob, DeleteJob, ExtendDeadline, PatchStatus, SuspendJob
from forge_operator.deadlines import extension, is_near, near_at
from forge_operator.digests import AnalysisJobDigest, JobDigest, PodDigest, Trouble
from forge_operator.manifests import job_of
from forge_operator.outcomes import MAX_WORDS, cause_of, failure_of
from forge_operator.picture import Picture
from forge_operator.reasons import ConditionType, Reason
from forge_operator.retries import forestalled
from forge_operator.statuses import Facts, fares, is_cancelled, is_cancelling, is_completed, is_failed, is_invalid, runs
from forge_operator.unschedulable import why_unschedulable

STILL_RUNNING: Final = timedelta(seconds=2)
"""startedAt has whole seconds: two of them are at least one second after the start."""
SETTLED: Final = timedelta(seconds=3)
"""What a young Job says of itself is not worth a write yet."""


def next_step(picture: Picture, now: datetime, job: AnalysisJobDigest) -> Action | None:
    """What an admitted job needs now, notices and progress left out."""
    child = picture.job_of(job)
    if child is None:
        return _without_job(picture, now, job)
    if job.status.phase is Phase.CANCELLING:
        return _cancelling(picture, now, job, child)
    if child.decided:
        return _ended(picture, _facts(picture, now, job, child)) if _is_over(picture, child) else None
    if job.spec is not None and job.spec.cancel:
        return is_cancelling(Facts(job, now, child))
    if job.status.phase is Phase.QUEUED and _has_started(picture, now, job, child):
        return runs(_facts(picture, now, job, child))
    return _deadline(picture, now, job, child)


def next_look(picture: Picture, now: datetime, job: AnalysisJobDigest) -> datetime | None:
    """When time alone may change what `next_step` and `notice` answer, `now` when each moment may; None is never.

    Whoever makes one of them depend on the time adds the moment here.
    """
    child, refusal = picture.job_of(job), picture.refusals.get(job.uid)
    if child is None:
        return refusal.until if refusal is not None and refusal.until > now else None
    near = near_at(child, child.deadline or 0.0)
    if near is not None and near <= now:
        return now
    moments = [near, child.created + SETTLED if child.created else None]
    if job.status.phase is Phase.QUEUED:
        moments += [pod.running_since + STILL_RUNNING for pod in picture.pods_of(child) if pod.running_since]
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def creation_of(picture: Picture, now: datetime, job: AnalysisJobDigest) -> CreateJob | PatchStatus | None:
    """The creation of a job's Job, or its end as invalid; None when its queue is gone."""
    queue = picture.queues.get(job.queue)
    if queue is None or queue.spec is None:
        return None
    try:
        body = job_of(job, queue.spec, picture.tenant_of(job.namespace), picture.surroundings)
    except Invalid as problem:
        return is_invalid(job, str(problem), now)
    waited = (now - job.created).total_seconds() if job.created else 0.0
    return CreateJob(job.uid, job.namespace, job.queue, body, waited)


def last_write(picture: Picture, now: datetime, job: AnalysisJobDigest) -> Action | None:
    """What is left for a job that needs no slot: invalid, withdrawn or forestalled while it waited, a Job to delete."""
    child = picture.job_of(job)
    if job.status.phase.terminal:
        return DeleteJob(child.namespace, child.name, child.uid) if child is not None else None
    if job.spec is None:
        return is_invalid(job, job.problem, now)
    first = picture.retries.first(job.uid)
    if first is not None and not job.spec.cancel:
        return is_invalid(job, forestalled(first.name), now)
    return is_cancelled(Facts(job, now))


def notice(picture: Picture, now: datetime, job: AnalysisJobDigest) -> PatchStatus | None:
    """What an admitted job's status doesn't show yet: trouble of its pods, or its progress."""
    child = picture.job_of(job)
    if child is None or child.decided or job.status.phase is Phase.CANCELLING:
        return None
    reason, message = trouble_of(picture, child)
    report, said = picture.reports.get(job.uid), job.status.condition(ConditionType.ADMITTED)
    if report is None and said is not None and said.holds and said.reason == reason:
        return None  # The steady case, which costs little.
    patch = fares(Facts(job, now, child, report=report), reason, message)
    young = child.created is not None and now - child.created < SETTLED
    return None if patch is None or (young and "conditions" in patch.status) else patch


def _facts(picture: Picture, now: datetime, job: AnalysisJobDigest, child: JobDigest) -> Facts:
    return Facts(job, now, child, picture.all_pods_of(child), picture.reports.get(job.uid))


def _is_over(picture: Picture, child: JobDigest) -> bool:
    """Whether no pod can do anything any more."""
    return child.quiet and not any(pod.live for pod in picture.pods_of(child))


def _without_job(picture: Picture, now: datetime, job: AnalysisJobDigest) -> Action | None:
    if job.spec is not None and job.spec.cancel and job.status.phase is not Phase.CANCELLING:
        # A Job may still come of the creation under way: first the decision, then its end.
        return is_cancelling(Facts(job, now))
    if job.uid in picture.holds:
        return None
    if job.status.phase is Phase.CANCELLING:
        return is_cancelled(Facts(job, now))
    refusal = picture.refusals.get(job.uid)
    if job.deleted_at is not None or (refusal is not None and refusal.until > now):
        return None
    # Somebody deleted its Job. It had been admitted, so it gets its Job again; what it claimed stays claimed.
    return creation_of(picture, now, job)


def _cancelling(picture: Picture, now: datetime, job: AnalysisJobDigest, child: JobDigest) -> Action | None:
    if _is_over(picture, child) and (child.suspended or child.decided):
        return is_cancelled(_facts(picture, now, job, child))
    if not child.suspend and not child.decided and child.deleted_at is None:
        return SuspendJob(child.namespace, child.name, child.uid)
    return None


def _ended(picture: Picture, facts: Facts) -> PatchStatus:
    if facts.child is None or facts.child.failure is None:
        return is_completed(facts)
    queue = picture.queues.get(facts.job.queue)
    failure = failure_of(facts.child, facts.pods, queue.spec if queue else None, facts.now)
    return is_failed(facts, failure.reason, failure.message)


def _has_started(picture: Picture, now: datetime, job: AnalysisJobDigest, child: JobDigest) -> bool:
    """A runner runs and has done so for a second, or has reported: a job over by then is written only once."""
    since = [pod.running_since for pod in picture.pods_of(child) if pod.running_since is not None]
    return bool(since) and (job.uid in picture.reports or min(since) + STILL_RUNNING <= now)


def _deadline(picture: Picture, now: datetime, job: AnalysisJobDigest, child: JobDigest) -> ExtendDeadline | None:
    # A deadline is never below its base, so this cheap question comes before the exact one.
    if not is_near(child, child.deadline or 0.0, now):
        return None
    queue = picture.queues.get(job.queue)
    if job.spec is None or queue is None or queue.spec is None:
        return None
    seconds = extension(child, picture.all_pods_of(child), queue.spec, job.spec, now)
    return ExtendDeadline(child.namespace, child.name, child.uid, seconds) if seconds is not None else None


def trouble_of(picture: Picture, child: JobDigest) -> tuple[Reason, str]:
    """What keeps an admitted job from running: the reason, and the sentence for its message."""
    refused = picture.pod_refusals.get(child.uid)
    if refused is not None and child.quiet:
        words = refused.message[:MAX_WORDS]
        return Reason.POD_REFUSED, f"Admitted; its pod can't be created and is tried again: {words}"
    pods = picture.pods_of(child)
    for pod in pods:
        if pod.running_since is not None:
            return _replaced(picture, child, pod) if pod.stalled else (Reason.ADMITTED, "")
    for pod in pods:
        if pod.live and pod.trouble is not None and pod.deleted_at is None:
            return pod.trouble.reason, f"{_WORDS[pod.trouble.reason]}: {detail_of(picture, pod, pod.trouble)}"
    failed = [pod for pod in picture.all_pods_of(child) if pod.phase == "Failed"] if pods or child.failed else []
    if failed:
        return _replaced(picture, child, failed[-1])
    return Reason.ADMITTED, ""


def _replaced(picture: Picture, child: JobDigest, pod: PodDigest) -> tuple[Reason, str]:
    if not pod.stalled:
        return Reason.RETRYING, f"Admitted; another pod follows; of the last one: {cause_of(pod)}"
    job, report = picture.analysis_jobs.get(child.owner_uid), picture.reports.get(child.owner_uid)
    begun = max(job.status.attempts if job else 0, report.attempt if report else 0, 1)
    follows = f"attempt {begun + 1} of {child.attempts} follows" if begun < child.attempts else "it was the last one"
    return Reason.STALLED, f"Admitted; {cause_of(pod)}, {follows}"


_WORDS: Final = {
    Reason.UNSCHEDULABLE: "Admitted; pod unschedulable",
    Reason.IMAGE_UNAVAILABLE: "Admitted; the runner's image can't be pulled and is tried again",
    Reason.CONTAINER_NOT_STARTED: "Admitted; its container can't be started and is tried again",
}


def detail_of(picture: Picture, pod: PodDigest, trouble: Trouble) -> str:
    """The trouble of a pod in the cluster's words; the scheduler's with figures."""
    if trouble.reason is Reason.UNSCHEDULABLE:
        return why_unschedulable(trouble.message, pod.needs, picture.room())[:MAX_WORDS]
    return trouble.message[:MAX_WORDS]

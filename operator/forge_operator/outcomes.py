"""How a job failed, in words that a person can act on."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from forge_core.durations import format_duration
from forge_core.exits import Exit, FailureClass
from forge_core.resource import QueueSpec
from forge_operator.deadlines import ran
from forge_operator.digests import JobDigest, PodDigest
from forge_operator.reasons import Reason

MAX_WORDS: Final = 800
"""Characters kept of what a runner or the cluster said."""

_BY_CODE: Final = {
    Exit.INTERRUPTED: "it was stopped by SIGTERM before it was done",
    Exit.NOT_SAVED: "its work was done but could not be stored within the allowance",
    Exit.BEFORE_CLAIM: "it could not reach the API to claim an attempt",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed; `kind` says whether another attempt might have helped."""

    reason: Reason
    message: str
    kind: FailureClass


def failure_of(job: JobDigest, pods: Sequence[PodDigest], queue: QueueSpec | None, now: datetime) -> Failure:
    """The failure of a Job that has the condition FailureTarget or Failed; `pods` oldest first, gone ones too."""
    condition = job.failure
    why = condition.reason if condition else ""
    said = condition.message if condition else ""
    ended = [pod for pod in pods if not pod.live and pod.phase != "Succeeded"]
    if why == "DeadlineExceeded":
        return Failure(Reason.DEADLINE_EXCEEDED, _deadline(job, pods, now), FailureClass.TIMEOUT)
    for pod in reversed(ended):
        if pod.exit_code == Exit.PERMANENT:
            return Failure(Reason.PERMANENT, _words(pod) or _unsaid(pod), FailureClass.PERMANENT)
        if pod.exit_code == Exit.EXHAUSTED:
            return _exhausted(job, pod, [other for other in ended if other is not pod], queue)
    if why == "BackoffLimitExceeded" and ended:
        return _exhausted(job, ended[-1], ended, queue)
    if why == "BackoffLimitExceeded":
        message = f"{_all_attempts(job)}; the pods are gone, and what they said with them"
        return Failure(Reason.EXHAUSTED, message, FailureClass.TRANSIENT)
    message = f"Its Job {job.name} failed ({why}): {said[:MAX_WORDS]}"
    return Failure(Reason.JOB_FAILED, message, FailureClass.TRANSIENT)


def class_of(pod: PodDigest) -> FailureClass:
    """The class of a failed pod."""
    if pod.taken_away:
        return FailureClass.DISRUPTION
    if pod.stalled:
        return FailureClass.STALLED
    if pod.out_of_memory:
        return FailureClass.OUT_OF_MEMORY
    if pod.words is not None and pod.words.failure_class is not None:
        return pod.words.failure_class
    if pod.deleted_at is not None and pod.exit_code not in set(Exit):
        return FailureClass.DISRUPTION  # somebody deleted it, and its runner did not end within its grace
    return FailureClass.PERMANENT if pod.exit_code == Exit.PERMANENT else FailureClass.TRANSIENT


def class_of_failure(reason: str, pods: Sequence[PodDigest]) -> FailureClass | None:
    """The class of a job that failed for `reason`; None when the pods that would tell are gone."""
    if reason in {Reason.PERMANENT, Reason.INVALID}:
        return FailureClass.PERMANENT
    if reason == Reason.DEADLINE_EXCEEDED:
        return FailureClass.TIMEOUT
    told = [pod for pod in pods if not pod.live and pod.phase != "Succeeded" and not _came_too_late(pod)]
    return class_of(told[-1]) if told else None


def cause_of(pod: PodDigest, queue: QueueSpec | None = None) -> str:
    """Why a pod failed, as the second half of a sentence."""
    if class_of(pod) is FailureClass.OUT_OF_MEMORY:
        return _out_of_memory(pod, queue)
    if pod.taken_away or pod.reason == "Evicted":
        detail = f": {pod.message[:MAX_WORDS]}" if pod.message else ""
        return f"its pod was taken away by the cluster ({pod.reason or pod.disruption}){detail}"
    if pod.stalled:
        return f"{pod.stalled}: its pod was ended"
    if _words(pod):
        return _words(pod)
    return _unsaid(pod)


def _exhausted(job: JobDigest, last: PodDigest, told: Sequence[PodDigest], queue: QueueSpec | None) -> Failure:
    if _came_too_late(last):
        # This pod came too late for an attempt: it is the one before it that tells what the last attempt died of.
        if not told:
            return Failure(Reason.EXHAUSTED, _words(last) or _all_attempts(job), FailureClass.TRANSIENT)
        last = told[-1]
    message = f"{_all_attempts(job)}; of the last one: {cause_of(last, queue)}"
    return Failure(Reason.EXHAUSTED, message, class_of(last))


def _came_too_late(pod: PodDigest) -> bool:
    """Whether the budget was spent before this pod could claim an attempt: its words are of none of its own."""
    return pod.exit_code == Exit.EXHAUSTED and (pod.words is None or pod.words.failure_class is None)


def _all_attempts(job: JobDigest) -> str:
    return f"{job.attempts} of {job.attempts} attempts are used up"


def _words(pod: PodDigest) -> str:
    return pod.words.message[:MAX_WORDS] if pod.words is not None else ""


def _unsaid(pod: PodDigest) -> str:
    code = pod.exit_code
    look = f"`kubectl logs -n {pod.namespace} {pod.name}` may tell more"
    if code in _BY_CODE:
        return _BY_CODE[Exit(code)]
    if code is None:
        detail = f"{pod.reason}: {pod.message[:MAX_WORDS]}" if pod.reason else "no exit code is known"
        return f"its pod ended without a word ({detail})"
    if code == 128 + signal.SIGKILL:  # a node that is busy enough doesn't always tell that it was for memory
        limit = f"; if for memory, its limit is {pod.memory_limit}" if pod.memory_limit else ""
        return f"its runner was killed by signal 9 without a word{limit}; {look}"
    if code > 128:
        return f"its runner was killed by signal {code - 128} without a word; {look}"
    return f"its runner ended with code {code} without a word; {look}"


def _out_of_memory(pod: PodDigest, queue: QueueSpec | None) -> str:
    limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
    others = sorted(queue.resource_classes) if queue else []
    advice = f"choose a larger spec.resourceClass (this queue has {', '.join(others)})" if others else "give it more"
    return f"it needed more memory than its limit{limit}; {advice}"


def _deadline(job: JobDigest, pods: Sequence[PodDigest], now: datetime) -> str:
    condition = job.failure
    until = (condition.since if condition else None) or now
    since = job.started_at or job.created or until
    took, busy = (until - since).total_seconds(), ran(pods, since, until)
    parts = [f"{format_duration(busy)} with a runner running", f"{format_duration(took - busy)} without one"]
    disruptions = sum(1 for pod in pods if pod.taken_away)
    if disruptions:
        parts.append(f"{disruptions} disruptions")
    trouble = next((pod.trouble for pod in reversed(pods) if pod.trouble), None)
    if trouble is not None:
        parts.append(f"the last pod waited: {trouble.message[:MAX_WORDS]}")
    return f"It took longer than {format_duration(took)} in all: {', '.join(parts)}"

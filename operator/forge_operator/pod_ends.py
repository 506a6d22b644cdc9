"""How pods ended that could not tell it themselves: killed, taken away, asked to stop for a reason they can't know."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from forge_core.exits import FailureClass
from forge_core.phase import Phase
from forge_operator.actions import EndOfPod, RecordPodEnds
from forge_operator.digests import AnalysisJobDigest, JobDigest, PodDigest
from forge_operator.outcomes import cause_of, class_of
from forge_operator.picture import Picture

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
AT_ONCE: Final = 100
"""In one transaction, which takes three statements for each."""


def pod_ends(picture: Picture, now: datetime) -> Iterator[RecordPodEnds]:
    """What the history isn't told yet of pods that ended, or that a disruption is about to end."""
    ends = tuple(islice(_untold(picture, now), AT_ONCE))
    if ends:
        yield RecordPodEnds(ends)


def _untold(picture: Picture, now: datetime) -> Iterator[EndOfPod]:
    """In one order, however they were seen."""
    for _, pod in sorted(picture.pods.untold.items()):
        child = picture.owner_of(pod)
        if child is not None:
            yield _end(pod, child, picture.analysis_jobs.get(child.owner_uid), now)


def _end(pod: PodDigest, child: JobDigest, job: AnalysisJobDigest | None, now: datetime) -> EndOfPod:
    failure_class = class_of_end(pod, child, job)
    ended_at = None if pod.live else pod.ended_at or pod.deleted_at or now
    return EndOfPod(child.owner_uid, pod.uid, failure_class, _sentence(failure_class, pod), ended_at, pod.taken_away)


def class_of_end(pod: PodDigest, child: JobDigest, job: AnalysisJobDigest | None) -> FailureClass:
    """The class of a pod's last attempt, as the cluster knows it.

    A runner that is asked to stop calls that a disruption: it can't know that its job was cancelled or is out of time.
    """
    of_pod = class_of(pod)
    if pod.taken_away or of_pod in {FailureClass.OUT_OF_MEMORY, FailureClass.STALLED}:
        return of_pod
    if job is None or job.status.phase in {Phase.CANCELLING, Phase.CANCELLED} or child.suspend:
        return FailureClass.CANCELLED
    if child.failure is not None and child.failure.reason == DEADLINE_EXCEEDED:
        return FailureClass.TIMEOUT
    return of_pod


def _sentence(failure_class: FailureClass, pod: PodDigest) -> str:
    if failure_class is FailureClass.CANCELLED:
        return "The job was cancelled or deleted."
    if failure_class is FailureClass.TIMEOUT:
        return "The job as a whole took longer than its deadline."
    cause = cause_of(pod)
    return f"{cause[:1].upper()}{cause[1:]}{'' if cause.endswith('.') else '.'}"

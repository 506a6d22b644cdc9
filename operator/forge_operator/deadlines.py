"""A Job's deadline counts only the time in which a runner ran: waiting, refusals and lost nodes are given back.

`activeDeadlineSeconds` is a net under the runner's own deadline and runs on while nothing runs, so it is extended by
that time and by one timeout for each refund. It is looked at only when it comes near, and extended by a margin more
than needed, so that a job which waits for long costs few writes.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from forge_core.attempts import MAX_REFUNDS
from forge_core.exits import Exit
from forge_core.resource import JobSpec, QueueSpec
from forge_operator.digests import JobDigest, PodDigest
from forge_operator.manifests import base_deadline, timeout_of

LEAST_MARGIN: Final = 60.0


def margin(base: float) -> float:
    """How near, in seconds, the deadline may come before it is looked at."""
    return max(LEAST_MARGIN, base / 10)


def near_at(job: JobDigest, base: float) -> datetime | None:
    """When the deadline comes near; None while there is none that runs."""
    if job.started_at is None or job.deadline is None or job.suspend:
        return None
    return job.started_at + timedelta(seconds=job.deadline - margin(base))


def is_near(job: JobDigest, base: float, now: datetime) -> bool:
    """Whether the deadline comes near."""
    near = near_at(job, base)
    return near is not None and near <= now


def extension(job: JobDigest, pods: Iterable[PodDigest], queue: QueueSpec, spec: JobSpec, now: datetime) -> int | None:
    """The new `activeDeadlineSeconds`, None when the present one is right."""
    base = base_deadline(queue, spec)
    if job.deadline is None or job.started_at is None or not is_near(job, base, now):
        return None
    pods = list(pods)
    refunds = min(sum(1 for pod in pods if pod.taken_away), MAX_REFUNDS)
    idle = (now - job.started_at).total_seconds() - ran(pods, job.started_at, now)
    needed = base + idle + refunds * timeout_of(queue, spec)
    return round(needed + margin(base)) if needed > job.deadline else None


def ran(pods: Iterable[PodDigest], since: datetime, until: datetime) -> float:
    """Seconds in which a runner ran; one that ended before it claimed an attempt was waiting for the API."""
    spans = sorted(
        (max(pod.started_at, since), min(pod.ended_at or until, until))
        for pod in pods
        if pod.started_at is not None and pod.exit_code != Exit.BEFORE_CLAIM
    )
    total, reached = 0.0, since
    for begin, end in spans:
        total += max((end - max(begin, reached)).total_seconds(), 0.0)
        reached = max(reached, end)
    return total

"""What must hold of a crowd of jobs, checked from the API server's objects alone: pure, raw objects in, counts out."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from forge_core.cluster import Raw
from forge_core.durations import parse_timestamp
from forge_core.names import JOB_UID_LABEL

Interval = tuple[datetime, datetime | None]
"""From a Job's creation to its AnalysisJob's completedAt; None while that is open."""


def made_twice(jobs: Iterable[Raw], pods: Iterable[Raw] = ()) -> int:
    """Jobs beyond one for each AnalysisJob, and pods that have not failed beyond one for each Job."""
    made = Counter(job["metadata"]["labels"][JOB_UID_LABEL] for job in jobs)
    tried = [pod for pod in pods if pod.get("status", {}).get("phase") != "Failed"]
    running = Counter(pod["metadata"]["labels"][JOB_UID_LABEL] for pod in tried)
    return sum(count - 1 for counter in (made, running) for count in counter.values())


def held(analysis_jobs: Iterable[Raw], jobs: Iterable[Raw]) -> list[Interval]:
    """How long each Job held a slot of its queue: by the API server's own times, which have whole seconds."""
    completed = {job["metadata"]["uid"]: job.get("status", {}).get("completedAt") for job in analysis_jobs}
    found = []
    for job in jobs:
        end = completed.get(job["metadata"]["labels"][JOB_UID_LABEL])
        begin = parse_timestamp(job["metadata"]["creationTimestamp"])
        found.append((begin, parse_timestamp(end) if end else None))
    return found


def most_at_once(intervals: Iterable[Interval]) -> int:
    """The most slots held at any moment; a slot that is freed in a second can be taken in the same one."""
    moments: list[tuple[datetime, int]] = []
    for begin, end in intervals:
        moments += [(begin, 1), (max(end, begin) if end else datetime.max.replace(tzinfo=UTC), -1)]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


def shares(number: int, large: Iterable[str], small: str) -> list[str]:
    """Whose each of so many jobs is: one in a hundred, but at least one, is the small tenant's; the rest take turns."""
    few = max(1, number // 100)
    tenants = list(large)
    return [small] * few + [tenants[at % len(tenants)] for at in range(number - few)]

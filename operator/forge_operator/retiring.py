"""Retention: which AnalysisJobs leave the cluster, by their queue's rules of age and count (DESIGN section 1).

Only jobs that are over and whose end PostgreSQL holds, and none while it is away. A few each second, when nothing else
is to be done: a Job and its pods go with each, and the garbage collector has to keep up.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Final

from forge_core.resource import RetentionRule, RetentionSpec
from forge_operator.actions import RetireAnalysisJob
from forge_operator.ended import End, Rule
from forge_operator.picture import Picture

RETIRED_A_SECOND: Final = 20
_OF_A_QUEUE_THAT_IS_GONE: Final = RetentionSpec()


def retiring(picture: Picture, now: datetime) -> list[RetireAnalysisJob]:
    """The oldest of those that no rule keeps, as many as the budget of this second allows."""
    since = now - timedelta(seconds=1)
    left = RETIRED_A_SECOND - sum(1 for at in picture.retirements if at > since)
    if left <= 0 or "PostgreSQL" in picture.away:
        return []
    oldest = islice(merge(*_over(picture, now)), left)
    jobs = [picture.analysis_jobs[uid] for _, uid in oldest]
    return [RetireAnalysisJob(job.uid, job.namespace, job.name, job.version) for job in jobs]


def _over(picture: Picture, now: datetime) -> Iterator[Iterator[End]]:
    for queue, kind in picture.ended.shelves():
        rule = _rule_of(picture, queue, kind)
        if rule is not None:
            yield picture.ended.over(queue, kind, rule, now)


def _rule_of(picture: Picture, queue: str, kind: Rule) -> RetentionRule | None:
    """None for a queue whose spec can't be read: what it wanted to keep is not known."""
    found = picture.queues.get(queue)
    if found is not None and found.spec is None:
        return None
    retention = found.spec.retention if found and found.spec else _OF_A_QUEUE_THAT_IS_GONE
    return retention.failed if kind is Rule.FAILED else retention.completed

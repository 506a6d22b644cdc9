"""Writes that are worth making only while there are few: why a job waits, how its pod fares, how far it is.

They share one budget for the whole cluster, so that 10,000 jobs don't drown etcd; whoever was written about longest
ago comes first.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import nsmallest
from itertools import chain
from typing import Final

from forge_operator.actions import PatchStatus
from forge_operator.admission.admitting import Admission
from forge_operator.following import notice
from forge_operator.picture import Picture
from forge_operator.reasons import ConditionType
from forge_operator.statuses import waits

WRITES_A_SECOND: Final = 50
YOUNG: Final = timedelta(seconds=2)
"""A job that has waited for less may be admitted before the write would be read."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

Wish = tuple[str, Callable[[], PatchStatus | None]]
"""The UID of a job whose status doesn't say how things are, and what makes the patch."""


def notices(picture: Picture, now: datetime, rounds: list[Admission], busy: set[str]) -> list[PatchStatus]:
    """As many notices as the budget allows; `busy` are the jobs that something is done about anyway."""
    since = now - timedelta(seconds=1)
    left = WRITES_A_SECOND - sum(1 for at in picture.notices if at > since)
    if left <= 0:
        return []
    wishes = (wish for wish in chain(_running(picture, now), _waiting(rounds, now)) if wish[0] not in busy)
    chosen = nsmallest(left, wishes, key=lambda wish: (picture.noticed_at.get(wish[0], _NEVER), wish[0]))
    return [patch for _, make in chosen if (patch := make()) is not None]


def _running(picture: Picture, now: datetime) -> Iterator[Wish]:
    for _, uid in picture.places.admitted():
        job = picture.analysis_jobs.get(uid)
        if job is not None and notice(picture, now, job) is not None:
            yield uid, partial(notice, picture, now, job)


def _waiting(rounds: list[Admission], now: datetime) -> Iterator[Wish]:
    for admission in rounds:
        for job, refusal in admission.refusals():
            said = job.status.condition(ConditionType.ADMITTED)
            if said is not None and not said.holds and said.reason == refusal.reason:
                continue
            if job.created is None or now - job.created >= YOUNG:
                yield job.uid, partial(waits, job, refusal.reason, refusal.message, now)

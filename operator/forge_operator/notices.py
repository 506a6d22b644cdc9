"""Writes that are worth making only while there are few: why a job waits, how its pod fares, how far it is.

They share one budget for the whole cluster, so that 10,000 jobs don't drown etcd; whoever was written about longest
ago comes first.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import nsmallest
from itertools import chain, islice
from typing import Final

from forge_operator.actions import PatchStatus
from forge_operator.admission.admitting import Admission
from forge_operator.admission.gates import Round, first_refusal
from forge_operator.attention import Look
from forge_operator.following import notice
from forge_operator.picture import Picture
from forge_operator.placing import Kin, Turn
from forge_operator.statuses import waits

WRITES_A_SECOND: Final = 50
YOUNG: Final = timedelta(seconds=2)
"""A job that has waited for less may be admitted before the write would be read."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)

Wish = tuple[str, Callable[[], PatchStatus | None]]
"""The UID of a job whose status doesn't say how things are, and what makes the patch."""


def notices(
    picture: Picture, now: datetime, rounds: Sequence[Admission], looks: Sequence[Look], busy: set[str]
) -> list[PatchStatus]:
    """As many notices as the budget allows; `busy` are the jobs that something is done about anyway."""
    since = now - timedelta(seconds=1)
    left = WRITES_A_SECOND - sum(1 for at in picture.notices if at > since)
    if left <= 0:
        return []
    admitted = (wish for wish in _admitted(picture, now, looks, left) if wish[0] not in busy)
    waiting = (wish for admission in rounds for wish in _waiting(admission, busy, left))
    chosen = nsmallest(
        left, chain(admitted, waiting), key=lambda wish: (picture.noticed_at.get(wish[0], NEVER), wish[0])
    )
    return [patch for _, make in chosen if (patch := make()) is not None]


def _admitted(picture: Picture, now: datetime, looks: Sequence[Look], most: int) -> Iterator[Wish]:
    """Those just looked at, and the first of those that rest."""
    looked = {look.owner for look in looks}
    resting = (owner for owner in picture.attention.wishing() if owner not in looked)
    wishing = (look.owner for look in looks if look.wish is not None)
    for _, uid in chain(wishing, islice(resting, most)):
        yield uid, partial(notice, picture, now, picture.analysis_jobs[uid])


def _waiting(admission: Admission, busy: set[str], most: int) -> Iterator[Wish]:
    """Of each kin whose status gives another reason than the gates, so many, those next in turn."""
    for kin, turns in admission.turn.picture.places.alike(admission.turn.queue).items():
        yield from islice(_untold(admission.turn, kin, turns, busy), most)


def _untold(turn: Round, kin: Kin, turns: Sequence[Turn], busy: set[str]) -> Iterator[Wish]:
    jobs, now = turn.picture.analysis_jobs, turn.now
    shared = None if kin.refused else first_refusal(turn, jobs[turns[0][2]])
    if not kin.refused and (shared is None or shared.reason == kin.told):
        return
    for job in (jobs[uid] for _, _, uid in turns if uid not in busy):
        refusal = first_refusal(turn, job) if kin.refused else shared
        if refusal is None or refusal.reason == kin.told:
            continue
        if job.created is None or now - job.created >= YOUNG:
            yield job.uid, partial(waits, job, refusal.reason, refusal.message, now)

"""The clocks of the queues' SLAs: which jobs have not kept theirs, told when the clock runs out and not at the end.

A clock begins with the job's creation (`queued`, `first-attempt`) or its first start (`started`, retries included). It
is kept by ending, or by the claim of a first attempt (`first-attempt`), in time. Kubernetes cuts its times to whole
seconds, so a clock is read as having begun at the end of its second: no breach is told that wasn't one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush, nsmallest
from typing import TYPE_CHECKING, Final

from forge_core.resource import SlaClock, SlaSpec
from forge_operator.actions import NoteBreaches
from forge_operator.digests import AnalysisJobDigest

if TYPE_CHECKING:
    from forge_operator.picture import Picture

SECOND: Final = timedelta(seconds=1)
NEVER: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""A status may be written by hand; nothing can be added to the last times of the calendar."""
SETTLES: Final = timedelta(seconds=1)
"""How long an end that came just in time may take to be seen."""
MOST: Final = 500
"""Noted in one transaction."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A job's clock; `limit` in seconds."""

    uid: str
    kind: SlaClock
    began: datetime
    limit: float

    @property
    def due(self) -> datetime:
        """When it runs out."""
        return self.began + SECOND + timedelta(seconds=self.limit)


def clock_of(job: AnalysisJobDigest, sla: SlaSpec | None) -> Clock | None:
    """The clock of a job, None while it hasn't begun or when its queue promises nothing."""
    if sla is None:
        return None
    began = job.status.started_at if sla.clock is SlaClock.STARTED else job.created
    if began is None or began >= NEVER:
        return None
    return Clock(job.uid, sla.clock, began, sla.limit)


class Clocks:
    """The clocks of open jobs: a heap of the moments at which they run out, so that nobody looks at all of them."""

    def __init__(self) -> None:
        self._running: dict[str, Clock] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._out: dict[str, Clock] = {}
        self._told: set[str] = set()

    def put(self, job: AnalysisJobDigest, sla: SlaSpec | None) -> None:
        """An AnalysisJob, or its queue, is as it is now."""
        if job.status.phase.terminal:
            self.remove(job.uid)
            return
        cancelled = job.spec is None or job.spec.cancel or job.deleted_at is not None
        clock = None if cancelled or job.uid in self._told else clock_of(job, sla)
        if clock == self._running.get(job.uid):
            return
        self._out.pop(job.uid, None)
        if clock is None:
            del self._running[job.uid]
            return
        self._running[job.uid] = clock
        heappush(self._heap, (clock.due, job.uid))
        if len(self._heap) > 2 * len(self._running) + 1000:
            self._heap = sorted((clock.due, uid) for uid, clock in self._running.items() if uid not in self._out)

    def remove(self, uid: str) -> None:
        """The job is over or gone."""
        self._running.pop(uid, None)
        self._out.pop(uid, None)
        self._told.discard(uid)

    def told(self, uids: Iterable[str]) -> None:
        """The history has decided about these: nothing more is to be said."""
        for uid in uids:
            if self._running.pop(uid, None) is not None:
                self._out.pop(uid, None)
                self._told.add(uid)

    def out(self, moment: datetime) -> Iterator[Clock]:
        """Those that ran out by then and aren't told, in no order."""
        while self._heap and self._heap[0][0] <= moment:
            due, uid = heappop(self._heap)
            clock = self._running.get(uid)
            if clock is not None and clock.due == due:
                self._out[uid] = clock
        return (clock for clock in self._out.values() if clock.due <= moment)


def breaches(picture: "Picture", now: datetime) -> Iterator[NoteBreaches]:
    """The clocks that ran out, the first ones first, as one action; nothing while PostgreSQL is known to be away.

    A job whose `batch/v1` Job is decided is left to its end, whose recording compares the true times.
    """
    if "PostgreSQL" in picture.away:
        return
    found = (clock for clock in picture.clocks.out(now - SETTLES) if not _ends(picture, clock.uid))
    first = nsmallest(MOST, found, key=lambda clock: (clock.due, clock.uid))
    if first:
        yield NoteBreaches(tuple(first))


def _ends(picture: "Picture", uid: str) -> bool:
    job = picture.analysis_jobs.get(uid)
    child = picture.job_of(job) if job is not None else None
    return child is not None and child.decided

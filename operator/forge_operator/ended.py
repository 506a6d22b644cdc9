"""The AnalysisJobs that are over, by queue and rule of retention: whoever clears looks only at the oldest.

Only those whose end the history holds may go. The others count as well: the newest of all are kept.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from forge_core.phase import Phase
from forge_core.resource import RetentionRule
from forge_operator.digests import AnalysisJobDigest

_BEGINNING: Final = datetime.fromtimestamp(0, UTC)

End = tuple[datetime, str]
"""When a job ended, and its UID."""
_FIRST_UID: Final = ""


class Rule(StrEnum):
    """Which rule of a queue's retention holds; the cancelled follow that of the completed."""

    COMPLETED = "completed"
    FAILED = "failed"


_RULES: Final = {
    Phase.COMPLETED: Rule.COMPLETED,
    Phase.CANCELLED: Rule.COMPLETED,
    Phase.FAILED: Rule.FAILED,
}


@dataclass
class _Shelf:
    """The ended jobs of one queue under one rule, and those of them that may go."""

    ended: list[End] = field(default_factory=list)
    recorded: list[End] = field(default_factory=list)

    def over(self, rule: RetentionRule, now: datetime) -> Iterator[End]:
        """Those that may go and are too old or too many, oldest first."""
        before = (now - timedelta(seconds=rule.age), _FIRST_UID)
        too_many = len(self.ended) - rule.count
        if too_many >= len(self.ended):
            yield from self.recorded
            return
        if too_many > 0:
            before = max(before, self.ended[too_many])
        for end in self.recorded:
            if end >= before:
                return
            yield end


class Ended:
    """The index. A job that is being deleted is not in it any more."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, Rule], _Shelf] = defaultdict(_Shelf)
        self._places: dict[str, tuple[str, Rule, End]] = {}
        self._recorded: set[str] = set()

    def put(self, job: AnalysisJobDigest) -> None:
        """An AnalysisJob as it is now; one that is still open has no place here."""
        rule = _RULES.get(job.status.phase)
        if rule is None or job.deleted_at is not None:
            self.remove(job.uid)
            return
        place = (job.queue, rule, (job.status.completed_at or job.created or _BEGINNING, job.uid))
        recorded = job.uid in self._recorded
        if self._places.get(job.uid) == place:
            return
        self.remove(job.uid)
        self._places[job.uid] = place
        insort(self._shelves[place[:2]].ended, place[2])
        if recorded:
            self.record(job.uid)

    def record(self, uid: str) -> None:
        """The history holds the end of this job."""
        place = self._places.get(uid)
        if place is not None and uid not in self._recorded:
            self._recorded.add(uid)
            insort(self._shelves[place[:2]].recorded, place[2])

    def remove(self, uid: str) -> None:
        """The AnalysisJob is gone, or is going."""
        place = self._places.pop(uid, None)
        if place is None:
            return
        shelf = self._shelves[place[:2]]
        _take(shelf.ended, place[2])
        if uid in self._recorded:
            self._recorded.remove(uid)
            _take(shelf.recorded, place[2])
        if not shelf.ended:
            del self._shelves[place[:2]]

    def shelves(self) -> list[tuple[str, Rule]]:
        """(queue, rule) of which there is at least one job."""
        return sorted(self._shelves)

    def over(self, queue: str, kind: Rule, rule: RetentionRule, now: datetime) -> Iterator[End]:
        """The jobs of a queue that may go and that its rule keeps no longer, oldest first."""
        shelf = self._shelves.get((queue, kind))
        return shelf.over(rule, now) if shelf is not None else iter(())


def _take(ends: list[End], end: End) -> None:
    del ends[bisect_left(ends, end)]

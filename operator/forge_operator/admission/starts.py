"""The starts of the last while, a queue at a time: what the rate limit counts.

A start is the creation of a Job, by the API server's clock; it stays counted when the Job is deleted.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

KEPT = timedelta(seconds=121)


class Starts:
    """One queue's starts, each AnalysisJob once. `kept` bounds how far back it remembers."""

    def __init__(self, kept: timedelta = KEPT) -> None:
        self._kept = kept
        self._at: dict[str, datetime] = {}
        self._sorted: list[tuple[datetime, str]] = []

    def add(self, uid: str, at: datetime) -> None:
        """Count the start of an AnalysisJob; a second one of the same counts only when it is later."""
        known = self._at.get(uid)
        if known is not None:
            if known >= at:
                return
            self._sorted.remove((known, uid))
        self._at[uid] = at
        insort(self._sorted, (at, uid))
        self._forget(self._sorted[-1][0] - self._kept)

    def after(self, moment: datetime) -> int:
        """How many began later than `moment`."""
        return len(self._sorted) - bisect_right(self._sorted, moment, key=lambda start: start[0])

    def items(self) -> list[tuple[datetime, str]]:
        """(when, uid) of each, oldest first."""
        return list(self._sorted)

    def _forget(self, before: datetime) -> None:
        stale = bisect_right(self._sorted, before, key=lambda start: start[0])
        # In slices, so that forgetting costs little when starts come one by one.
        if stale > 64 or stale == len(self._sorted):
            for _, uid in self._sorted[:stale]:
                del self._at[uid]
            del self._sorted[:stale]


class AllStarts:
    """The starts of every queue, and how many are under way in each."""

    def __init__(self) -> None:
        self._of: dict[str, Starts] = {}
        self._under_way: dict[str, int] = defaultdict(int)

    def add(self, queue: str, uid: str, at: datetime) -> None:
        """Count a start."""
        self._of.setdefault(queue, Starts()).add(uid, at)

    def under_way(self, queue: str, change: int) -> None:
        """So many more (or fewer) creations are under way."""
        self._under_way[queue] += change

    def remember(self, queue: str, kept: timedelta, known: Iterable[tuple[str, datetime]]) -> None:
        """A queue's window is another: of what was counted and what is `known` (UID, when), that much is kept."""
        starts = Starts(max(KEPT, kept))
        before = self._of.get(queue)
        for at, uid in before.items() if before else ():
            starts.add(uid, at)
        for uid, at in known:
            starts.add(uid, at)
        self._of[queue] = starts

    def since(self, queue: str, moment: datetime) -> list[datetime]:
        """Those of a queue later than `moment`, oldest first; those under way are left out."""
        starts = self._of.get(queue)
        return [at for at, _ in starts.items() if at > moment] if starts else []

    def after(self, queue: str, moment: datetime) -> int:
        """How many of a queue are later than `moment`, those under way included."""
        starts = self._of.get(queue)
        return self._under_way.get(queue, 0) + (starts.after(moment) if starts else 0)

"""Which admitted jobs a decision has to look at, so that a round costs what has changed and not what is open.

Whatever is observed of a job wakes it. A decision that found nothing to do for it lets it rest, until something touches
it or the moment comes at which time alone may change the answer. What rests would be answered "nothing" anyway, so a
decision over those that are awake is the same as one over all (a property test compares them). See ADR 0015.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from forge_operator.placing import Owner

_LAST: Final = "\U0010ffff"


class Agenda:
    """Owners, each with one moment, in the order of these and of the UIDs."""

    def __init__(self) -> None:
        self._at: dict[Owner, datetime] = {}
        self._sorted: list[tuple[datetime, str, str]] = []

    def __iter__(self) -> Iterator[Owner]:
        return ((namespace, uid) for _, uid, namespace in self._sorted)

    def put(self, owner: Owner, at: datetime) -> None:
        """Enter an owner, or move it."""
        self.drop(owner)
        self._at[owner] = at
        insort(self._sorted, (at, owner[1], owner[0]))

    def drop(self, owner: Owner) -> None:
        """Strike an owner out, if it is there."""
        at = self._at.pop(owner, None)
        if at is not None:
            del self._sorted[bisect_left(self._sorted, (at, owner[1], owner[0]))]

    def until(self, moment: datetime) -> list[Owner]:
        """Those whose moment has come."""
        end = bisect_right(self._sorted, (moment, _LAST, ""))
        return [(namespace, uid) for _, uid, namespace in self._sorted[:end]]


@dataclass(frozen=True, slots=True)
class Look:
    """What a decision found when it looked at a job."""

    owner: Owner
    rests: bool
    """Nothing is to be done for it, or only something to be told."""
    until: datetime | None = None
    """When time alone may change that; None is never."""
    wish: datetime | None = None
    """If its status doesn't say how things are: when it was last written about."""


class Attention:
    """The admitted jobs: awake, or resting; of those that rest, the ones whose status is worth a spare write."""

    def __init__(self, awake: Iterable[Owner] = ()) -> None:
        self._awake: dict[Owner, None] = dict.fromkeys(awake)
        self._due = Agenda()
        self._wishing = Agenda()

    def touch(self, owner: Owner) -> None:
        """Something was observed of the job, or done for it."""
        self.forget(owner, awake=False)
        self._awake.setdefault(owner)

    def forget(self, owner: Owner, *, awake: bool = True) -> None:
        """The job holds no slot any more."""
        self._due.drop(owner)
        self._wishing.drop(owner)
        if awake:
            self._awake.pop(owner, None)

    def awake(self, now: datetime) -> Iterator[Owner]:
        """Those to look at: first those whose moment has come, then whoever was touched, the longest ago first."""
        return chain(self._due.until(now), self._awake)

    def wishing(self) -> Iterator[Owner]:
        """Those that rest and have something to tell; whoever was written about longest ago comes first."""
        return iter(self._wishing)

    def take(self, looks: Iterable[Look]) -> None:
        """What a decision found: who needs nothing rests, who needs something goes to the end of the line."""
        for look in looks:
            self.forget(look.owner)
            if not look.rests:
                self._awake[look.owner] = None
                continue
            if look.until is not None:
                self._due.put(look.owner, look.until)
            if look.wish is not None:
                self._wishing.put(look.owner, look.wish)

"""Which gates held each job, and for how long, without looking at each waiting job in each decision.

Most refusals hold for a whole queue, or for a tenant in it. So each of these has a ledger of running totals, a job
remembers how they stood when it came, and the difference is what held it: a decision costs a line a queue and tenant,
however many wait. Only refusals of single jobs that a round met anyway (a missing class) are kept by job.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from forge_operator.admission.admitting import Admission
from forge_operator.admission.gates import Reach, Refused
from forge_operator.reasons import Reason

STARTS_KEPT: Final = 64
"""Beginnings of spells kept of each gate; of a job held by more the first known one is told."""
MAX_MESSAGE: Final = 300
LATE_SECONDS: Final = 5.0
"""A job older than this when its gates began to be counted had waited before: the note says since when it counts."""
SILENCE_SECONDS: Final = 10.0
"""Decisions are made each second: after a longer silence (no Lease) nobody knows what held in it."""


@dataclass(slots=True)
class Tally:
    """What one gate has held so far: `since` is set while it holds."""

    seconds: float = 0.0
    times: int = 0
    since: datetime | None = None
    until: datetime | None = None
    message: str = ""
    starts: deque[datetime] = field(default_factory=lambda: deque(maxlen=STARTS_KEPT))

    def begin(self, message: str, now: datetime) -> None:
        """It begins to hold."""
        self.since, self.message = now, message[:MAX_MESSAGE]
        self.times += 1
        self.starts.append(now)

    def end(self, now: datetime) -> None:
        """It holds no more."""
        if self.since is not None:
            self.seconds += (now - self.since).total_seconds()
            self.since, self.until = None, now


@dataclass(frozen=True, slots=True)
class _Stood:
    """How a tally stood at a moment."""

    seconds: float
    times: int
    since: datetime | None


@dataclass(slots=True)
class Ledger:
    """The gates of one queue, of one tenant in it, or of one job; at most one of them holds at a time."""

    tallies: dict[Reason, Tally] = field(default_factory=dict)
    open: Reason | None = None
    waiters: int = 0
    _mark: Mapping[Reason, _Stood] | None = None

    def now_is(self, refusal: Refused | None, now: datetime) -> None:
        """The gate that holds from now on; the same as before costs nothing."""
        reason = refusal.reason if refusal is not None else None
        if reason is self.open:
            return
        if self.open is not None:
            self.tallies[self.open].end(now)
        if refusal is not None:
            self.tallies.setdefault(refusal.reason, Tally()).begin(refusal.message, now)
        self.open, self._mark = reason, None

    def mark(self) -> Mapping[Reason, _Stood]:
        """How it stands; the same object until something changes, for many jobs come while nothing does."""
        if self._mark is None:
            self._mark = {reason: _Stood(t.seconds, t.times, t.since) for reason, t in self.tallies.items()}
        return self._mark


@dataclass(frozen=True, slots=True)
class Held:
    """How one gate held a job: first and last moment, seconds in all, in how many spells."""

    reason: Reason
    first: datetime
    until: datetime
    seconds: float
    times: int
    message: str

    def detail(self, counted_from: datetime | None) -> dict[str, Any]:
        """As the note has it."""
        told = {"seconds": round(self.seconds, 3), "times": self.times, "until": self.until.isoformat()}
        told |= {"countedFrom": counted_from.isoformat()} if counted_from is not None else {}
        return {**told, "message": self.message}


_Ground = tuple[str, str | None]
"""A queue, or a tenant in it."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    came: datetime
    created: datetime | None
    grounds: tuple[_Ground, _Ground]
    marks: tuple[Mapping[Reason, _Stood], Mapping[Reason, _Stood]]


class Gates:
    """Fed by each decision's rounds; asked when a job leaves its queue."""

    def __init__(self) -> None:
        self._ledgers: dict[_Ground, Ledger] = {}
        self._waiters: dict[str, _Waiter] = {}
        self._jobs: dict[str, Ledger] = {}
        self._held_now: set[str] = set()
        self._began: datetime | None = None
        self._last: datetime | None = None

    def saw(self, rounds: Sequence[Admission], now: datetime) -> None:
        """Take in how a decision's rounds ended."""
        if self._last is None or (now - self._last).total_seconds() > SILENCE_SECONDS:
            for ledger in (*self._ledgers.values(), *self._jobs.values()):
                ledger.now_is(None, self._last or now)
            self._began = now
        self._last = now
        held: set[str] = set()
        closed: set[_Ground] = set()
        for admission in rounds:
            queue = admission.turn.queue
            for job, tenant, refusal in admission.refused:
                if refusal.reach is Reach.JOB:
                    held.add(job.uid)
                    self._jobs.setdefault(job.uid, Ledger()).now_is(refusal, now)
                    continue
                ground = (queue, None if refusal.reach is Reach.QUEUE else tenant)
                closed.add(ground)
                self._ledgers.setdefault(ground, Ledger()).now_is(refusal, now)
        for uid in self._held_now - held:
            if uid in self._jobs:
                self._jobs[uid].now_is(None, now)
        self._held_now = held
        self._open(self._ledgers.keys() - closed, now)

    def _open(self, grounds: Set[_Ground], now: datetime) -> None:
        for ground in grounds:
            ledger = self._ledgers[ground]
            ledger.now_is(None, now)
            if not ledger.waiters:
                del self._ledgers[ground]

    def came(self, uid: str, ground: tuple[str, str], created: datetime | None, now: datetime) -> None:
        """A job of a (queue, tenant) begins to wait, or is seen to."""
        if uid in self._waiters:
            return
        grounds: tuple[_Ground, _Ground] = ((ground[0], None), ground)
        queue, tenant = (self._ledgers.setdefault(each, Ledger()) for each in grounds)
        queue.waiters += 1
        tenant.waiters += 1
        self._waiters[uid] = _Waiter(now, created, grounds, (queue.mark(), tenant.mark()))

    def left(self, uid: str, now: datetime) -> Iterator[tuple[Held, datetime | None]]:
        """A job waits no more: what held it, and since when that was counted (None: since it came)."""
        waiter, own = self._waiters.pop(uid, None), self._jobs.pop(uid, None)
        self._held_now.discard(uid)
        if waiter is None:
            return
        counted_from = self._counted_from(waiter)
        for ground, mark in zip(waiter.grounds, waiter.marks, strict=True):
            ledger = self._ledgers[ground]
            ledger.waiters -= 1
            for reason, tally in ledger.tallies.items():
                held = _difference((reason, tally), mark.get(reason, _NOTHING), waiter.came, now)
                if held is not None:
                    yield held, counted_from
        for reason, tally in own.tallies.items() if own is not None else ():
            held = _difference((reason, tally), _NOTHING, waiter.came, now)
            if held is not None:
                yield held, counted_from

    def _counted_from(self, waiter: _Waiter) -> datetime | None:
        began = max(waiter.came, self._began or waiter.came)
        late = waiter.created is not None and (began - waiter.created).total_seconds() > LATE_SECONDS
        return began if late else None

    @property
    def waiting(self) -> int:
        """Jobs that are remembered."""
        return len(self._waiters)


def _difference(gate: tuple[Reason, Tally], stood: _Stood, came: datetime, now: datetime) -> Held | None:
    reason, tally = gate
    before = stood.seconds + ((came - stood.since).total_seconds() if stood.since else 0.0)
    total = tally.seconds + ((now - tally.since).total_seconds() if tally.since else 0.0)
    begun = tally.times - stood.times
    times = begun + (1 if stood.since else 0)
    if times <= 0 or total <= before:
        return None
    first = came if stood.since else tally.starts[-min(begun, len(tally.starts))]
    until = now if tally.since else tally.until or now
    return Held(reason, max(first, came), until, total - before, times, tally.message)


_NOTHING: Final = _Stood(0.0, 0, None)

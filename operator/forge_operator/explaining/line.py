"""The line of a queue: who would start in which order, and when, if jobs hold their slots as long as they did lately.

A simulation of admission: slots are freed as running jobs end, and each goes to the tenant with the smallest share; the
rate's window and the tenants' caps hold. Whoever can't start in it for all that (a queue without slots, a cap that is
used up elsewhere) stands behind the others, by the same order.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, merge
from math import lcm
from typing import Final

from forge_operator.admission.gates import GATES, Reach, Round, rate_window
from forge_operator.explaining.pace import Pace
from forge_operator.placing import Turn

LONGEST: Final = 20_000
_NOMINAL: Final = 86_400.0
"""Seconds a job holds its slot in a simulation that is only good for the order."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A job's position, from 1, and when it would start; None when nothing can be said."""

    position: int
    start: datetime | None


def line_of(turn: Round, pace: Pace) -> dict[str, Spot]:
    """Where each waiting job stands, by UID; jobs that wait for a reason of their own stand in no line.

    `turn` is the queue's round before anybody is admitted in it.
    """
    simulation = _Simulation(turn, pace)
    timed = turn.closed is None and not turn.picture.away and pace.typical is not None
    line: dict[str, Spot] = {}
    for uid, start in simulation.run():
        if len(line) >= LONGEST:
            break
        line[uid] = Spot(len(line) + 1, start if timed else None)
    return line


class _Simulation:
    def __init__(self, turn: Round, pace: Pace) -> None:
        self._turn, self._picture, self._pace = turn, turn.picture, pace
        self._now, self._used = turn.now, turn.used
        self._running, self._elsewhere = Counter(turn.running), Counter(turn.by_tenant)
        self._elsewhere.subtract(turn.running)
        self._turns = {tenant: deque(turns) for tenant, turns in self._waiting().items()}
        scale = lcm(*(self._picture.tenants.of(tenant).weight for tenant in self._turns))
        self._factor = {tenant: scale // self._picture.tenants.of(tenant).weight for tenant in self._turns}
        self._heads = [self._head(tenant) for tenant in self._turns]
        heapify(self._heads)
        ends = sorted(self._expected_ends())
        self._ends = [(at, number, tenant) for number, (at, _, tenant) in enumerate(ends)]
        self._begun = len(ends)
        spec = turn.spec
        self._limit = spec.rate_limit.max if spec and spec.rate_limit else 0
        self._window = rate_window(spec) if spec else timedelta()
        recent = self._picture.starts_since(turn.queue, turn.now - self._window) if self._limit else []
        self._starts = deque([*recent, *[turn.now] * (turn.recent - len(recent))])

    def run(self) -> Iterator[tuple[str, datetime | None]]:
        """(UID, start) in the order of the starts; then those that can't start, without one."""
        slots = self._turn.spec.concurrency if self._turn.spec and self._turn.closed is None else 0
        while self._heads:
            tenant = self._next(capped=True) if self._used < slots else None
            at = max(self._now, self._rate_allows())
            if tenant is None or (self._ends and self._ends[0][0] <= at > self._now):
                if not self._ends:
                    break
                self._end()
                continue
            self._now = at
            yield self._start(tenant), at
        self._heads = [self._head(tenant) for tenant, turns in self._turns.items() if turns]
        heapify(self._heads)
        while (tenant := self._next(capped=False)) is not None:
            yield self._start(tenant), None

    def _waiting(self) -> dict[str, Iterator[Turn]]:
        by_tenant: dict[str, list[list[Turn]]] = {}
        for namespace, turns in self._picture.places.waiting(self._turn.queue).items():
            eligible = [turn for turn in turns if not self._waits_for_itself(turn[2])]
            if eligible:
                by_tenant.setdefault(self._picture.tenant_of(namespace), []).append(eligible)
        return {tenant: merge(*lists) for tenant, lists in by_tenant.items()}

    def _waits_for_itself(self, uid: str) -> bool:
        job = self._picture.analysis_jobs[uid]
        refusals = (gate(self._turn, job) for gate in GATES)
        return any(refusal is not None and refusal.reach is Reach.JOB for refusal in refusals)

    def _expected_ends(self) -> Iterator[tuple[datetime, datetime, str]]:
        """When the running jobs will end; without a pace they end in the order in which they were admitted."""
        for namespace, uids in self._picture.places.admitted_in(self._turn.queue).items():
            for uid in uids:
                job, child = self._picture.analysis_jobs.get(uid), self._picture.jobs.get((namespace, uid))
                since = (job.status.admitted_at if job else None) or (child.created if child else None) or self._now
                elapsed = (self._now - since).total_seconds()
                left = self._pace.left(elapsed) if self._pace.typical is not None else max(_NOMINAL - elapsed, 0.0)
                yield self._now + timedelta(seconds=left), since, self._picture.tenant_of(namespace)

    def _head(self, tenant: str) -> tuple[int, Turn, str]:
        return self._running[tenant] * self._factor[tenant], self._turns[tenant][0], tenant

    def _next(self, *, capped: bool) -> str | None:
        """Whose turn it is. An entry that is out of date is passed over: a fresh one has been pushed since."""
        while self._heads:
            share, turn, tenant = self._heads[0]
            turns = self._turns[tenant]
            if turns and (share, turn) == self._head(tenant)[:2] and not (capped and self._at_cap(tenant)):
                return tenant
            heappop(self._heads)
        return None

    def _at_cap(self, tenant: str) -> bool:
        cap = self._picture.tenants.of(tenant).cap
        return cap is not None and self._running[tenant] + self._elsewhere[tenant] >= cap

    def _rate_allows(self) -> datetime:
        if not self._limit:
            return self._now
        known = self._turn.picture.history_known
        earliest = self._now if known else self._turn.picture.began + self._window
        if len(self._starts) < self._limit:
            return earliest
        return max(earliest, self._starts[-self._limit] + self._window)

    def _start(self, tenant: str) -> str:
        uid = self._turns[tenant].popleft()[2]
        self._used += 1
        self._running[tenant] += 1
        self._starts.append(self._now)
        self._begun += 1
        heappush(self._ends, (self._now + timedelta(seconds=self._pace.typical or _NOMINAL), self._begun, tenant))
        self._changed(tenant)
        return uid

    def _end(self) -> None:
        at, _, tenant = heappop(self._ends)
        self._now = max(self._now, at)
        self._used -= 1
        self._running[tenant] -= 1
        self._changed(tenant)

    def _changed(self, tenant: str) -> None:
        if self._turns.get(tenant):
            heappush(self._heads, self._head(tenant))

"""One round of admission for each queue: who starts now, and what each of the others waits for."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from forge_operator.admission.allowances import allowances, cuts
from forge_operator.admission.gates import Reach, Refused, Round, first_refusal, rate_window, why_closed
from forge_operator.admission.turns import Standing, in_turn
from forge_operator.digests import AnalysisJobDigest
from forge_operator.picture import Picture


@dataclass(frozen=True, slots=True)
class Admission:
    """A queue's round: the jobs that start, in order, and the round as it stands after them."""

    turn: Round
    admitted: list[AnalysisJobDigest] = field(default_factory=list)
    refused: list[tuple[AnalysisJobDigest, str, Refused]] = field(default_factory=list)
    """Each job that was asked about in vain, its tenant and why; who was passed over with it isn't in it."""

    @property
    def full(self) -> bool:
        """Whether it starts no more, although more might start now."""
        return len(self.admitted) >= self.turn.picture.surroundings.writes_at_once

    def refusals(self) -> Iterator[tuple[AnalysisJobDigest, Refused]]:
        """Each job that goes on waiting, with its reason."""
        picture, starting = self.turn.picture, {job.uid for job in self.admitted}
        for turns in picture.places.waiting(self.turn.queue).values():
            for _, _, uid in turns:
                job = picture.analysis_jobs[uid]
                refusal = first_refusal(self.turn, job) if uid not in starting else None
                if refusal is not None:
                    yield job, refusal


def admissions(picture: Picture, now: datetime) -> list[Admission]:
    """The rounds of all queues in which somebody waits."""
    queues = [queue for queue in picture.places.queues() if picture.places.waiting(queue)]
    by_tenant = _running(picture, *picture.places.queues())
    left = allowances(picture, by_tenant, queues)
    allowed = {queue: dict(left) for queue in queues}
    rounds: dict[str, Admission] = {}
    again = set(queues)
    for _ in range(len(left) + 1):  # each tenant is cut at most once
        for queue in again:
            rounds[queue] = _admit(open_round(picture, now, queue, by_tenant), dict(allowed[queue]))
        fewer = cuts(picture, left, {queue: rounds[queue].admitted for queue in queues}) if left else {}
        for queue, counts in fewer.items():
            allowed[queue].update(counts)
        again = set(fewer)
        if not again:
            break
    return [rounds[queue] for queue in queues]


def _running(picture: Picture, *queues: str) -> Counter[str]:
    """How many jobs of each tenant hold a slot in these queues."""
    running: Counter[str] = Counter()
    for queue in queues:
        for namespace, uids in picture.places.admitted_in(queue).items():
            running[picture.tenant_of(namespace)] += len(uids)
    return running


def open_round(picture: Picture, now: datetime, queue: str, by_tenant: Mapping[str, int] | None = None) -> Round:
    """The round of a queue before anybody is admitted in it."""
    found = picture.queues.get(queue)
    spec = found.spec if found else None
    return Round(
        picture=picture,
        now=now,
        queue=queue,
        used=picture.slots_used(queue),
        recent=picture.starts_after(queue, now - rate_window(spec)) if spec else 0,
        running=_running(picture, queue),
        by_tenant=_running(picture, *picture.places.queues()) if by_tenant is None else by_tenant,
        spec=spec,
        closed=why_closed(picture, queue),
    )


def _admit(turn: Round, allowed: dict[str, int]) -> Admission:
    turn.allowances = allowed
    picture, admission = turn.picture, Admission(turn)
    standing = Standing(picture.tenant_of, lambda tenant: picture.tenants.of(tenant).weight, turn.running)
    for _, _, uid in in_turn(picture.places.waiting(turn.queue), standing):
        job = picture.analysis_jobs[uid]
        tenant, refusal = picture.tenant_of(job.namespace), first_refusal(turn, job)
        if refusal is None:
            if admission.full:
                break
            admission.admitted.append(job)
            turn.admit(tenant)
            continue
        admission.refused.append((job, tenant, refusal))
        if refusal.reach is Reach.TENANT:
            standing.passed.add(tenant)
        elif refusal.reach is Reach.QUEUE:
            break
    return admission

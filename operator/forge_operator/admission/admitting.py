"""One round of admission for each queue: who starts now, and what each of the others waits for."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forge_operator.admission.gates import Refused, Round, first_refusal, rate_window, why_closed
from forge_operator.admission.turns import in_turn
from forge_operator.digests import AnalysisJobDigest
from forge_operator.picture import Picture


@dataclass(frozen=True, slots=True)
class Admission:
    """A queue's round: the jobs that start, in order, and the round as it stands after them."""

    turn: Round
    admitted: list[AnalysisJobDigest] = field(default_factory=list)

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
    by_tenant: dict[str, int] = defaultdict(int)
    for namespace, _ in picture.places.admitted():
        by_tenant[picture.tenant_of(namespace)] += 1
    queues = [queue for queue in picture.places.queues() if picture.places.waiting(queue)]
    return [_admit(_open_round(picture, now, queue, by_tenant)) for queue in queues]


def _open_round(picture: Picture, now: datetime, queue: str, by_tenant: dict[str, int]) -> Round:
    found = picture.queues.get(queue)
    spec = found.spec if found else None
    return Round(
        picture=picture,
        now=now,
        queue=queue,
        used=picture.slots_used(queue),
        recent=picture.starts_after(queue, now - rate_window(spec)) if spec else 0,
        by_tenant=by_tenant,
        spec=spec,
        closed=why_closed(picture, queue),
    )


def _admit(turn: Round) -> Admission:
    picture, admission = turn.picture, Admission(turn)
    running: dict[str, int] = defaultdict(int)
    for namespace, uids in picture.places.admitted_in(turn.queue).items():
        running[picture.tenant_of(namespace)] += len(uids)
    for _, _, uid in in_turn(picture.places.waiting(turn.queue), picture.tenant_of, running):
        job = picture.analysis_jobs[uid]
        refusal = first_refusal(turn, job)
        if refusal is None:
            tenant = picture.tenant_of(job.namespace)
            admission.admitted.append(job)
            turn.used += 1
            turn.recent += 1
            turn.by_tenant[tenant] += 1
            running[tenant] += 1
        elif refusal.queue_wide:
            break
    return admission

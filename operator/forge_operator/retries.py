"""Who does a failed job again: of a namespace's AnalysisJobs that name one origin only the first is carried out.

First is whoever has begun already, else the oldest, else the first by name. One that was cancelled, or can't be carried
out, stands in nobody's way.
"""

from bisect import bisect_left, insort
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from forge_core.phase import Phase
from forge_operator.digests import AnalysisJobDigest
from forge_operator.placing import State
from forge_operator.reasons import ConditionType, Reason

Origin = tuple[str, UUID]
"""(namespace, id of the failed job): what another tenant's manifest names is nobody else's business."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One job's claim to an origin, as it stands among others: the smallest is the first."""

    waits: bool
    created: datetime
    name: str
    uid: str


def origin_of(job: AnalysisJobDigest) -> Origin | None:
    """What a job does again, if anything."""
    return (job.namespace, job.spec.retry_of) if job.spec is not None and job.spec.retry_of is not None else None


def claim_of(job: AnalysisJobDigest, state: State | None, began: datetime) -> Claim | None:
    """A job's claim, given where it would stand by itself; None when it stands in nobody's way."""
    phase, failed = job.status.phase, job.status.condition(ConditionType.FAILED)
    if state is State.SETTLING or phase in {Phase.CANCELLING, Phase.CANCELLED}:
        return None
    if phase is Phase.FAILED and failed is not None and failed.reason == Reason.INVALID:
        return None
    waits = state is State.WAITING or (state is None and not phase.terminal)
    return Claim(waits, job.created or began, job.name, job.uid)


def forestalled(first: str) -> str:
    """What a job is told that does again what another, named `first`, does already."""
    return (
        f"spec.retryOf: AnalysisJob {first} does the same job again and comes first; if that one has failed, name it"
        " in retryOf, and to do the work twice all the same, leave retryOf out"
    )


class Retries:
    """The index: origins with their claims. Empty unless somebody does something again."""

    def __init__(self) -> None:
        self._entered: dict[str, tuple[Origin, Claim | None]] = {}
        self._claims: dict[Origin, list[Claim]] = {}

    def put(self, uid: str, origin: Origin | None, claim: Claim | None) -> Collection[str]:
        """Note what a job does again; answers the UIDs of the others whose turn that changes, two at most."""
        before = self._entered.get(uid)
        after = (origin, claim) if origin is not None else None
        if before == after:
            return ()
        origins = {entry[0] for entry in (before, after) if entry is not None}
        firsts = [self._first(origin) for origin in origins]
        if before is not None:
            self._take(uid, *before)
        if after is not None:
            self._enter(uid, *after)
        changed = {
            one.uid
            for origin, was in zip(origins, firsts, strict=True)
            for one in (was, self._first(origin))
            if one is not None and was != self._first(origin)
        }
        return changed - {uid}

    def first(self, uid: str) -> Claim | None:
        """The claim that comes before the job's own; None when the job is the first, or does nothing again."""
        entry = self._entered.get(uid)
        first = self._first(entry[0]) if entry is not None else None
        return first if first is not None and first.uid != uid else None

    def _first(self, origin: Origin) -> Claim | None:
        claims = self._claims.get(origin)
        return claims[0] if claims else None

    def _enter(self, uid: str, origin: Origin, claim: Claim | None) -> None:
        self._entered[uid] = (origin, claim)
        if claim is not None:
            insort(self._claims.setdefault(origin, []), claim)

    def _take(self, uid: str, origin: Origin, claim: Claim | None) -> None:
        del self._entered[uid]
        if claim is None:
            return
        claims = self._claims[origin]
        del claims[bisect_left(claims, claim)]
        if not claims:
            del self._claims[origin]

"""The gates between a waiting job and its Job: each is asked in turn, and the first refusal is what the user reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from forge_core.durations import format_duration
from forge_core.names import TENANT_LABEL
from forge_core.resource import QueueSpec
from forge_operator.admission.selecting import selects
from forge_operator.digests import AnalysisJobDigest
from forge_operator.picture import Picture
from forge_operator.reasons import Reason


class Reach(StrEnum):
    """Whom a refusal holds back."""

    JOB = "job"
    TENANT = "tenant"
    """Every job of the tenant in this queue."""
    QUEUE = "queue"
    """Every job of the queue."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a job waits."""

    reason: Reason
    message: str
    reach: Reach = Reach.JOB


@dataclass(slots=True)
class Round:
    """One queue's admission at one moment. Counts grow as jobs are admitted in it."""

    picture: Picture
    now: datetime
    queue: str
    used: int
    """Slots held, those of this round included."""
    recent: int
    """Starts in the rate's window, those of this round included."""
    running: dict[str, int]
    """Admitted jobs of each tenant in this queue, those of this round included."""
    by_tenant: Mapping[str, int]
    """Admitted jobs of each tenant over all queues before the round."""
    spec: QueueSpec | None = None
    closed: Refused | None = None
    """Why the queue as such takes nobody."""
    opened: dict[tuple[str, str], Refused | None] = field(default_factory=dict)
    """Answers of `queue_is_open` by namespace and resource class."""
    allowances: dict[str, int] = field(default_factory=dict)
    """How many jobs of a tenant that has a cap may still start in this queue; whoever has none isn't in it."""

    def admit(self, tenant: str) -> None:
        """Count a job of the tenant as started."""
        self.used += 1
        self.recent += 1
        self.running[tenant] = self.running.get(tenant, 0) + 1
        if tenant in self.allowances:
            self.allowances[tenant] -= 1


_ALL: Final = Reach.QUEUE
_TENANT: Final = Reach.TENANT
Gate = Callable[[Round, AnalysisJobDigest], Refused | None]


def first_refusal(turn: Round, job: AnalysisJobDigest) -> Refused | None:
    """Why the job can't start now, None when it can."""
    for gate in GATES:
        refusal = gate(turn, job)
        if refusal is not None:
            return refusal
    return None


def rate_window(spec: QueueSpec) -> timedelta:
    """The window of a queue's rate: creationTimestamp has whole seconds, so it is a second longer than asked."""
    return timedelta(seconds=spec.rate_limit.per + 1 if spec.rate_limit else 0)


def queue_is_open(turn: Round, job: AnalysisJobDigest) -> Refused | None:
    """The queue is there, runs, and serves this namespace and class."""
    if turn.closed is not None:
        return turn.closed
    wanted = job.spec.resource_class if job.spec else ""
    key = (job.namespace, wanted)
    if key not in turn.opened:
        turn.opened[key] = _serves(turn, *key)
    return turn.opened[key]


def _serves(turn: Round, namespace: str, wanted: str) -> Refused | None:
    found, spec, queue = turn.picture.namespaces.get(namespace), turn.spec, turn.queue
    if found is None or not found.tenant:
        return Refused(
            Reason.NAMESPACE_WITHOUT_TENANT,
            f"Waiting: no tenant owns namespace {namespace}; an administrator gives it the label {TENANT_LABEL}",
        )
    if spec is None:
        return None
    if not selects(spec.namespace_selector, found.labels):
        return Refused(
            Reason.NAMESPACE_NOT_SERVED,
            f"Waiting: queue {queue} doesn't serve namespace {namespace}; use another queue or ask an administrator",
        )
    name = wanted or spec.default_resource_class
    if name and name not in spec.resource_classes:
        offered = ", ".join(sorted(spec.resource_classes)) or "none"
        return Refused(
            Reason.CLASS_MISSING,
            f"Waiting: queue {queue} has no resource class {name!r}; it offers {offered}",
        )
    return None


def why_closed(picture: Picture, queue: str) -> Refused | None:
    """Why a queue as such takes nobody."""
    found = picture.queues.get(queue)
    if found is None:
        return Refused(Reason.QUEUE_MISSING, f"Waiting: there is no queue {queue}; it starts once there is one", _ALL)
    if found.spec is None:
        return Refused(Reason.QUEUE_INVALID, f"Waiting: queue {queue} can't be used: {found.problem}", _ALL)
    if found.spec.paused:
        return Refused(Reason.QUEUE_PAUSED, f"Waiting: queue {queue} is paused; it starts once that is resumed", _ALL)
    if not found.spec.image:
        return Refused(Reason.IMAGE_MISSING, f"Waiting: queue {queue} names no image; an administrator sets one", _ALL)
    return None


def dependencies_are_there(turn: Round, _job: AnalysisJobDigest) -> Refused | None:
    """Nothing is begun that could not claim its attempt."""
    if not turn.picture.away:
        return None
    names = " and ".join(sorted(turn.picture.away))
    return Refused(Reason.DEPENDENCY_AWAY, f"Waiting: nothing starts while {names} can't be reached", _ALL)


def creation_is_not_refused(turn: Round, job: AnalysisJobDigest) -> Refused | None:
    """The API server did not refuse this job's Job a moment ago."""
    refusal = turn.picture.refusals.get(job.uid)
    if refusal is None or refusal.until <= turn.now:
        return None
    return Refused(Reason.CREATION_REFUSED, f"Waiting: its Job was refused: {refusal.message}; it is tried again")


def under_concurrency(turn: Round, _job: AnalysisJobDigest) -> Refused | None:
    """The queue has a free slot."""
    if turn.spec is None or turn.used < turn.spec.concurrency:
        return None
    limit = turn.spec.concurrency
    counted = f"{turn.used} running, {limit} allowed" if turn.used > limit else f"{turn.used} of {limit} running"
    return Refused(Reason.CONCURRENCY_REACHED, f"Waiting in queue {turn.queue}: {counted}", _ALL)


def under_rate(turn: Round, _job: AnalysisJobDigest) -> Refused | None:
    """The queue's rate allows another start."""
    if turn.spec is None or turn.spec.rate_limit is None:
        return None
    limit, per = turn.spec.rate_limit.max, format_duration(turn.spec.rate_limit.per)
    if not turn.picture.history_known and turn.now < turn.picture.began + rate_window(turn.spec):
        return Refused(
            Reason.STARTS_UNKNOWN,
            f"Waiting in queue {turn.queue}: the starts of the last {per} aren't known yet after a restart",
            _ALL,
        )
    if turn.recent < limit:
        return None
    return Refused(Reason.RATE_REACHED, f"Waiting in queue {turn.queue}: it starts at most {limit} in any {per}", _ALL)


def under_tenant_quota(turn: Round, job: AnalysisJobDigest) -> Refused | None:
    """The tenant has not reached its cap over all queues."""
    tenant = turn.picture.tenant_of(job.namespace)
    cap = turn.picture.tenants.of(tenant).cap
    if cap is None or turn.allowances.get(tenant, 0) > 0:
        return None
    # Whatever was left of the cap before this round is used up by it, in this queue or in others.
    running = max(turn.by_tenant.get(tenant, 0), cap)
    counted = f"{running} jobs, its cap is {cap}" if running > cap else f"{running} of the {cap} jobs that it may"
    return Refused(Reason.TENANT_QUOTA_REACHED, f"Waiting: tenant {tenant} runs {counted}, over all queues", _TENANT)


GATES: Final[tuple[Gate, ...]] = (
    queue_is_open,
    dependencies_are_there,
    creation_is_not_refused,
    under_concurrency,
    under_rate,
    under_tenant_quota,
)

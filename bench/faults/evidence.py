"""What the checker is given: what the API server, PostgreSQL and Redis said, as plain values. Times are aware, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from forge_core.assignment import Backoff


@dataclass(frozen=True)
class Rules:
    """What a queue promised while the jobs ran; it wasn't changed meanwhile."""

    concurrency: int
    budget: int
    """Attempts that a job may be charged for."""
    backoff: Backoff
    starts: int | None = None
    """Most starts in any window of `per`; None is no limit."""
    per: timedelta = timedelta(seconds=60)
    event_kind: str = "analysis"
    """What its jobs' events are called after; "" for a kind whose end is no event."""


@dataclass(frozen=True)
class SeenJob:
    """An AnalysisJob as the API server shows it at the end."""

    uid: str
    name: str
    queue: str
    phase: str
    attempts: int
    completed_at: datetime | None


@dataclass(frozen=True)
class SeenPhase:
    """A phase that a watch showed; `version` is the object's resourceVersion."""

    uid: str
    version: int
    phase: str


@dataclass(frozen=True)
class SeenChild:
    """A batch/v1 Job that a watch showed at any time, whether or not it is still there."""

    uid: str
    owner_uid: str
    created_at: datetime


@dataclass(frozen=True)
class Row:
    """A row of the history's jobs."""

    id: str
    uid: str
    phase: str
    attempts: int
    completed_at: datetime | None
    recorded: bool


@dataclass(frozen=True)
class SeenAttempt:
    """A claimed attempt. `told` says that its end was told by the runner itself, at `ended_at`."""

    job_uid: str
    number: int
    pod_uid: str
    claimed_at: datetime
    ended_at: datetime | None
    outcome: str
    refunded: bool
    told: bool


@dataclass(frozen=True)
class SeenEvent:
    """A row of the outbox that is an event."""

    id: str
    job_id: str
    type: str
    published: bool


@dataclass(frozen=True)
class Evidence:
    """All of it. `accepted` are UIDs of AnalysisJobs that the API server took, `read` ids of events in Redis."""

    accepted: frozenset[str]
    rules: Mapping[str, Rules]
    jobs: tuple[SeenJob, ...] = ()
    phases: tuple[SeenPhase, ...] = ()
    children: tuple[SeenChild, ...] = ()
    rows: tuple[Row, ...] = ()
    attempts: tuple[SeenAttempt, ...] = ()
    events: tuple[SeenEvent, ...] = ()
    read: frozenset[str] | None = None
    """None when Redis was emptied meanwhile, so that its streams prove nothing."""
    children_by_owner: Mapping[str, tuple[SeenChild, ...]] = field(init=False)

    def __post_init__(self) -> None:
        owners: dict[str, tuple[SeenChild, ...]] = {}
        for child in self.children:
            if child not in owners.get(child.owner_uid, ()):
                owners[child.owner_uid] = (*owners.get(child.owner_uid, ()), child)
        object.__setattr__(self, "children_by_owner", owners)

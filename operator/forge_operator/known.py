"""What the picture knows beside the cluster's objects: where runners are, creations under way or refused, progress."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every runner pod is told of the place it runs in."""

    api_url: str = ""
    redis_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    tenant_cap: int | None = None
    """Jobs that a tenant which names no cap may have admitted at once, over all queues; None is no limit."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A Job's creation whose outcome isn't known yet: it keeps its slot."""

    queue: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server refused to create a Job; it isn't asked again before `until`."""

    message: str
    until: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Report:
    """A runner's last progress: `percent` in whole numbers, `attempt` in the whole job."""

    percent: int
    stage: str
    attempt: int

"""What the picture knows beside the cluster's objects: where runners are, creations under way or refused, progress."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from forge_core.webhooks import WEBHOOKS

WRITES_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is set for the whole operator: what runner pods are told of the place they run in, and limits."""

    api_url: str = ""
    redis_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that repositories may be on."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts, also as host:port, that deliveries may go to."""
    tenant_cap: int | None = None
    """Jobs that a tenant which names no cap may have admitted at once, over all queues; None is no limit."""

    clones_url: str = ""
    """Base URL of the clone cache; empty: there is none."""
    writes_at_once: int = WRITES_AT_ONCE
    """Requests to the API server at once. A round starts no more jobs: the others have their turn in the next, for what
    waits of a decision is decided again."""

    def hosts_for(self, kind: str) -> tuple[str, ...]:
        """What a runner of a kind is told: whoever may be cloned from isn't thereby called, nor the other way round."""
        return self.webhook_hosts if kind == WEBHOOKS else self.allowed_hosts


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

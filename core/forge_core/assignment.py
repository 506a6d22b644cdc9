"""What the operator hands to a runner, as JSON in one environment variable. It never holds a secret."""

from typing import Annotated, Any, Final, Literal, Self

from msgspec import Meta, field

from forge_core.pauses import Pauses
from forge_core.wire import Message, read

MAX_BYTES: Final = 32 * 1024
JITTER: Final = 0.5
LONGEST_ASKED: Final = 30.0
"""Seconds: no server's wish for a pause is obeyed for longer, so that a Job's deadline has room for all of them."""
HEARTBEAT: Final = 10.0
"""Seconds between two signs of life of a runner, unless its queue wants to hear from it more often."""


class Backoff(Message, frozen=True):
    """The pause before attempt n+1: `delay` seconds, doubled each time when exponential, never over `max_delay`."""

    type: Literal["exponential", "fixed", "none"] = "none"
    delay: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    max_delay: Annotated[float, Meta(ge=0, le=3600)] = 3600.0
    jitter: bool = False
    """Whether each pause is lengthened by up to JITTER of itself, so that what failed together isn't tried together."""

    def pause_after(self, failed: int) -> float:
        """Seconds to wait after the `failed`-th failed attempt (1 is the first), ADR-006."""
        if self.type == "none":
            return 0.0
        return Pauses(self.delay, self.max_delay).after(failed if self.type == "exponential" else 1)

    def obeyed(self, asked: float) -> float:
        """Seconds of a wait that the other side asked for (Retry-After): as far as the queue's longest pause."""
        return 0.0 if self.type == "none" else min(asked, self.max_delay, LONGEST_ASKED)

    def lengthened(self, pause: float, chance: float) -> float:
        """The pause as it is kept; `chance` is uniform in [0, 1). Jitter never shortens one, whatever `max_delay`."""
        return pause * (1 + JITTER * chance) if self.jitter else pause

    def total(self, attempts: int) -> float:
        """Seconds that all the pauses between `attempts` attempts take at most."""
        return sum(self.lengthened(self.pause_after(failed), 1.0) for failed in range(1, attempts))


class Repository(Message, frozen=True):
    """Where the code is."""

    url: Annotated[str, Meta(max_length=2048)]
    ref: Annotated[str, Meta(max_length=255)] = ""
    has_credentials: bool = False


class Sandbox(Message, frozen=True):
    """What the pod's sandbox may do."""

    index: Annotated[str, Meta(max_length=2048)] = ""
    """Where a repository's dependencies may be installed from; "" for nowhere."""


class Assignment(Message, frozen=True, kw_only=True):
    """One job, as its runner sees it."""

    uid: Annotated[str, Meta(max_length=64)]
    """The AnalysisJob's UID: the job's identity in Redis and in the internal API."""
    name: Annotated[str, Meta(max_length=253)]
    tenant: Annotated[str, Meta(max_length=63)]
    queue: Annotated[str, Meta(max_length=63)]
    kind: Annotated[str, Meta(max_length=63)]
    """The queue's `jobType`: which kind of work."""
    attempts: Annotated[int, Meta(ge=1, le=100)]
    backoff: Backoff = Backoff()
    timeout: Annotated[float, Meta(gt=0, le=86400)]
    """Seconds of one attempt."""
    heartbeat: Annotated[float, Meta(gt=0, le=60)] = HEARTBEAT
    """Seconds between two signs of life, at most."""
    repository: Repository | None = None
    config: dict[str, Any] = field(default_factory=dict)
    sandbox: Sandbox | None = None
    """None: the pod has none, and code of the repository can't be run."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that the chart allows although their address is not public."""

    @property
    def names_baseline(self) -> bool:
        """Whether `config.baseline.analysis` names another job, of which something is fetched before an attempt."""
        baseline = self.config.get("baseline")
        return isinstance(baseline, dict) and bool(baseline.get("analysis"))

    @property
    def keeps_cache(self) -> bool:
        """Whether what an earlier job of the repository kept is fetched, unless `config.cache` is false."""
        return self.repository is not None and self.config.get("cache") is not False

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read the variable. Raises ValueError with what is wrong."""
        if len(text.encode()) > MAX_BYTES:
            raise ValueError(f"assignment is over {MAX_BYTES} bytes")
        return read(text, cls)

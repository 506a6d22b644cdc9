"""AnalysisJob and JobQueue as the programs read them: frozen views of what the API server stored.

The CRDs in `crds/` are the schema; these views repeat its limits only where a program would be harmed by what slipped
through (a schema loosened by hand, an object older than the schema). `Invalid` carries the sentence a user reads.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from forge_core.assignment import HEARTBEAT, Backoff
from forge_core.durations import parse_duration
from forge_core.names import JOB_SECRET_PREFIX
from forge_core.quantities import parse_quantity

MAX_CONFIG_BYTES: Final = 16 * 1024
LOWEST_PRIORITY: Final = 1000
INVALID: Final = "Invalid"
"""Reason of the condition Failed of a job that can't be carried out as it is written; in its row too."""


class Invalid(ValueError):
    """An object that can't be carried out; the message says which field and what to do."""


Seconds = Annotated[float, BeforeValidator(lambda v: parse_duration(v) if isinstance(v, str) else v), Field(ge=0)]
"""Written as a duration (`15m`), held as seconds."""
Bytes = Annotated[int, BeforeValidator(lambda v: int(parse_quantity(v)) if isinstance(v, str) else v), Field(ge=0)]
"""Written as a quantity (`20Gi`), held as a number."""


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def read(cls, raw: object) -> Self:
        """The view of a raw object's part. Raises Invalid with a sentence."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Invalid(f"{where}: {first['msg']}" if where else first["msg"]) from None


class SecretReference(_View):
    """A Secret in the job's own namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


class JobSecretReference(_View):
    """A Secret in the job's own namespace that was made for jobs; its name says so, for the operator reads none."""

    name: Annotated[str, Field(max_length=253, pattern=rf"^{JOB_SECRET_PREFIX}[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


class RepositorySpec(_View):
    """`spec.repository`."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    ref: Annotated[str, Field(max_length=255)] = ""
    credentials_secret_ref: SecretReference | None = None


class JobSpec(_View):
    """`spec` of an AnalysisJob."""

    queue: Annotated[str, Field(min_length=1, max_length=63)]
    priority: Annotated[int, Field(ge=1, le=LOWEST_PRIORITY)] | None = None
    repository: RepositorySpec | None = None
    secret_ref: JobSecretReference | None = None
    repository_id: Annotated[str, Field(max_length=63)] = ""
    requested_by: Annotated[str, Field(max_length=253)] = ""
    config: dict[str, Any] = {}
    resource_class: Annotated[str, Field(max_length=63)] = ""
    timeout: Seconds | None = None
    cancel: bool = False
    retry_of: UUID | None = None
    """Id of the failed job that this one does again, as the API shows it."""


class ResourceClass(_View):
    """One of a queue's sizes: Kubernetes' own words, the operator's to define."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    runtime_class_name: str = ""


class PackagesSpec(_View):
    """`spec.sandbox.packages`: dependencies of a repository may be installed, from this index alone."""

    index: Annotated[str, Field(max_length=2048, pattern=r"^https?://[A-Za-z0-9][^\s@]*$")]


class SandboxSpec(_View):
    """`spec.sandbox`: a second container, in which alone code of a repository is run. Its limits are its size."""

    requests: dict[str, str] = {}
    limits: dict[str, str]
    volume_size: Annotated[str, Field(min_length=1, max_length=32)] = "512Mi"
    """Of the volume in memory that it works on; what lies there counts against the memory limit."""
    packages: PackagesSpec | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        missing = sorted({"cpu", "memory"} - set(self.limits))
        if missing:
            raise ValueError(f"sandbox.limits must give {' and '.join(missing)}")
        if parse_quantity(self.volume_size) >= parse_quantity(self.limits["memory"]):
            raise ValueError("sandbox.volumeSize must be below sandbox.limits.memory, for the volume is in memory")
        return self


class BackoffSpec(_View):
    """`spec.retry.backoff`."""

    type: Literal["exponential", "fixed", "none"] = "none"
    delay: Seconds = 0.0
    max_delay: Seconds = 3600.0
    jitter: bool = False

    def policy(self) -> Backoff:
        """As the runner is given it."""
        return Backoff(type=self.type, delay=self.delay, max_delay=self.max_delay, jitter=self.jitter)


class RetrySpec(_View):
    """`spec.retry`: `attempts` counts the first one too."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    backoff: BackoffSpec = BackoffSpec()


class SlaClock(StrEnum):
    """What a queue's SLA measures: to a job's end, from its creation or its first start; or to its first attempt."""

    QUEUED = "queued"
    STARTED = "started"
    FIRST_ATTEMPT = "first-attempt"
    """From the AnalysisJob's creation to the claim of its first attempt, with which the work begins."""


class SlaSpec(_View):
    """`spec.sla`: within `limit` of the clock's start."""

    limit: Seconds
    clock: SlaClock = SlaClock.STARTED


class RateLimitSpec(_View):
    """`spec.rateLimit`: at most `max` starts in any window of `per`."""

    max: Annotated[int, Field(ge=1)]
    per: Seconds


class RetentionRule(_View):
    """How long finished AnalysisJobs stay in the cluster; their rows in PostgreSQL stay longer."""

    age: Seconds
    count: Annotated[int, Field(ge=0)]


class RetentionSpec(_View):
    """`spec.retention`."""

    completed: RetentionRule = RetentionRule(age=24 * 3600.0, count=1000)
    failed: RetentionRule = RetentionRule(age=7 * 24 * 3600.0, count=5000)


FIRST_BEAT: Final = 300.0
"""Seconds that a pod may take to be heard for the first time, at least, unless its queue says otherwise."""


class StallSpec(_View):
    """`spec.stall`: a running pod without a heartbeat for this long is stalled."""

    after: Annotated[Seconds, Field(ge=10)] = 60.0
    startup: Annotated[Seconds, Field(ge=10)] | None = None

    @property
    def first(self) -> float:
        """Seconds that a pod may take to be heard for the first time."""
        return max(FIRST_BEAT, 5 * self.after) if self.startup is None else max(self.startup, self.after)

    @property
    def heartbeat(self) -> float:
        """Seconds between a runner's signs of life: four fit into `after`, so that a late one or two harm nobody."""
        return min(HEARTBEAT, self.after / 4)


class QueueSpec(_View):
    """`spec` of a JobQueue."""

    job_type: Annotated[str, Field(min_length=1, max_length=63)]
    concurrency: Annotated[int, Field(ge=0)]
    default_priority: Annotated[int, Field(ge=1, le=LOWEST_PRIORITY)] = 5
    retry: RetrySpec = RetrySpec()
    timeout: Annotated[Seconds, Field(gt=0)]
    sla: SlaSpec | None = None
    rate_limit: RateLimitSpec | None = None
    retention: RetentionSpec = RetentionSpec()
    resource_classes: dict[str, ResourceClass] = {}
    default_resource_class: str = ""
    sandbox: SandboxSpec | None = None
    priority_class_name: str = ""
    namespace_selector: dict[str, Any] = {}
    stall: StallSpec = StallSpec()
    paused: bool = False
    image: str = ""

    @model_validator(mode="after")
    def _default_class_is_there(self) -> Self:
        if self.default_resource_class and self.default_resource_class not in self.resource_classes:
            raise ValueError(f"defaultResourceClass {self.default_resource_class!r} is not one of resourceClasses")
        return self

"""The tables. Times are `timestamptz`; identities are UUIDs made by whoever writes first."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Types shared by all tables."""

    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB, str: Text}  # noqa: RUF012


class RepositoryRow(Base):
    """A repository that a tenant registered; `POST /analyses` names it by id."""

    __tablename__ = "repositories"
    __table_args__ = (UniqueConstraint("tenant", "url"), Index("repositories_page", "tenant", "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(63))
    url: Mapped[str]
    ref: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    credentials_secret: Mapped[str] = mapped_column(default="")
    """Name of a Secret in the tenant's namespace; "" for a public repository."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class JobRow(Base):
    """One job, however it was submitted.

    A job submitted through the API has `submitted` true and lives here before its AnalysisJob does (`resource_uid` is
    null until then); one applied by kubectl gets its row from the recorder, with its UID as id.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("resource_uid"),
        CheckConstraint(
            "phase in ('Queued','Running','Cancelling','Completed','Failed','Cancelled')", name="phase_known"
        ),
        Index("jobs_page", "tenant", "created_at", "id"),
        Index("jobs_open", "phase", postgresql_where="phase in ('Queued','Running','Cancelling')"),
        Index("jobs_unsent", "created_at", postgresql_where="submitted and resource_uid is null"),
        Index(
            "jobs_doubtful",
            "created_at",
            postgresql_where="submitted and phase = 'Cancelled' and recorded_at is null",
        ),
        Index("jobs_starts", "queue", "admitted_at"),
        Index("jobs_in_cluster", "resource_uid", postgresql_where="deleted_at is null"),
        Index(
            "jobs_redriven",
            "retry_of",
            unique=True,
            postgresql_where="submitted and retry_of is not null and phase <> 'Cancelled'",
        ),
        Index("jobs_retries", "retry_of", postgresql_where="retry_of is not null"),
        Index("jobs_dead", "tenant", "queue", "fingerprint", "completed_at", postgresql_where="phase = 'Failed'"),
        Index("jobs_ended", "completed_at", postgresql_where="recorded_at is not null"),
        Index(
            "jobs_trends",
            "tenant",
            "repository_id",
            "created_at",
            "id",
            postgresql_where="phase = 'Completed' and repository_id <> ''",
        ),
        Index(
            "jobs_once",
            "tenant",
            "requested_by",
            "idempotency_key",
            unique=True,
            postgresql_where="idempotency_key is not null",
        ),
        Index("jobs_completed", "queue", "completed_at", postgresql_where="phase = 'Completed'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_uid: Mapped[UUID | None]
    resource_version: Mapped[int] = mapped_column(BigInteger, default=0)
    """Of the status last recorded; an older one never overwrites a newer."""
    tenant: Mapped[str] = mapped_column(String(63))
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(253))
    queue: Mapped[str] = mapped_column(String(63))
    submitted: Mapped[bool] = mapped_column(default=False)
    repository_id: Mapped[str] = mapped_column(default="")
    requested_by: Mapped[str] = mapped_column(default="")
    spec: Mapped[dict[str, Any]]
    """`spec` of the AnalysisJob."""
    priority: Mapped[int]
    phase: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(default="")
    progress: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(String(63), default="")
    failure_class: Mapped[str] = mapped_column(String(32), default="")
    summary: Mapped[dict[str, Any] | None]
    """The result's summary; provisional until the phase is Completed."""
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    admitted_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    """The decision: of a cancelled job when it was cancelled, not when its last pod was gone."""
    cancelled_by: Mapped[str] = mapped_column(default="")
    last_pod_ended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    """When the AnalysisJob was seen to be gone from the cluster."""
    kind: Mapped[str] = mapped_column(String(63), server_default="")
    """The queue's jobType when the job was last recorded; "" when the queue was gone."""
    resource_class: Mapped[str] = mapped_column(String(63), server_default="")
    cpu_millis: Mapped[int] = mapped_column(server_default="0")
    """CPU requested by its pod, in thousandths of a core."""
    memory_mib: Mapped[int] = mapped_column(server_default="0")
    """Memory requested by its pod, in MiB."""
    retry_of: Mapped[UUID | None]
    """`id` of the failed job that this one runs again; of jobs submitted through the API at most one that was
    not cancelled names it."""
    send_after: Mapped[datetime | None]
    """A submitted job is not sent to the cluster before: so is a group redriven at a bounded rate."""
    fingerprint: Mapped[str] = mapped_column(String(32), server_default="")
    """Of a failed job's cause (forge_core.fingerprints); those of one tenant with the same one are a group of dead
    letters. "" until it is known: a release that knew of none wrote the row."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    """The client's own, of a submission that it may repeat (forge_core.history.repeating)."""
    request_digest: Mapped[str | None] = mapped_column(String(64))
    """Of what was asked for under the key."""
    sla_breached_at: Mapped[datetime | None]
    """When the clock of the queue's SLA ran out before the job was done."""
    recorded_at: Mapped[datetime | None]
    """When the operator first recorded the end. The API may call a row cancelled before; metrics, events and the
    removal of the AnalysisJob wait for this."""


class AttemptRow(Base):
    """One claimed attempt: a draw on the job's budget."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("pod_uid", "number_in_pod"),)

    job_uid: Mapped[UUID] = mapped_column(primary_key=True)
    """The AnalysisJob's UID. Not a foreign key: a runner may claim before the recorder has written the row."""
    number: Mapped[int] = mapped_column(primary_key=True)
    """In the whole job, refunded attempts included, so that it never repeats."""
    pod_uid: Mapped[UUID]
    pod_name: Mapped[str] = mapped_column(String(253))
    number_in_pod: Mapped[int]
    claimed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(16), default="")
    """"" while it runs, else `succeeded` or `failed`."""
    failure_class: Mapped[str] = mapped_column(String(32), default="")
    message: Mapped[str] = mapped_column(default="")
    stage: Mapped[str] = mapped_column(default="")
    summary: Mapped[dict[str, Any] | None]
    refunded: Mapped[bool] = mapped_column(default=False)
    """Ended by a disruption, and not charged."""


class RefundRow(Base):
    """A pod that a disruption ended: its attempts aren't charged. Written by whoever sees the condition first."""

    __tablename__ = "refunds"

    pod_uid: Mapped[UUID] = mapped_column(primary_key=True)
    job_uid: Mapped[UUID] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(63))
    at: Mapped[datetime]


class ArtifactRow(Base):
    """One artefact of an attempt; shown only once the attempt has succeeded and its job is Completed."""

    __tablename__ = "artifacts"

    job_uid: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes before compression."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the bytes before compression."""
    gzipped: Mapped[bool]
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    stored_at: Mapped[datetime]


class CacheRow(Base):
    """What jobs of a repository keep for its next ones: no part of any result."""

    __tablename__ = "caches"
    __table_args__ = (Index("caches_unused", "used_at"),)

    tenant: Mapped[str] = mapped_column(String(63), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(63), primary_key=True)
    repository: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of its URL."""
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    """Of the kind that keeps it."""
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes before compression."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the bytes before compression."""
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    """Compressed with gzip."""
    stored_at: Mapped[datetime]
    used_at: Mapped[datetime]
    """When it was stored or last fetched, to some hours."""


class TimelineRow(Base):
    """One thing that happened to a job and that no other table tells. Written once per (job, what, key)."""

    __tablename__ = "timeline"
    __table_args__ = (UniqueConstraint("job_uid", "what", "key"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_uid: Mapped[UUID]
    """The AnalysisJob's UID. Not a foreign key: a thing may happen before the recorder has written the row."""
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(128), server_default="")
    """Tells apart what may happen several times, such as the pod's UID."""
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class UsageRow(Base):
    """What one tenant used in one queue in one hour: of the jobs that ended in it."""

    __tablename__ = "usage"

    tenant: Mapped[str] = mapped_column(String(63), primary_key=True)
    queue: Mapped[str] = mapped_column(String(63), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    """Its beginning, UTC."""
    completed: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    attempts: Mapped[int]
    run_seconds: Mapped[float]
    """From startedAt to completedAt, summed."""
    cpu_seconds: Mapped[float]
    """run_seconds x requested cores, summed."""
    memory_gib_seconds: Mapped[float]
    """run_seconds x requested GiB, summed."""
    computed_at: Mapped[datetime]


class UsageHourRow(Base):
    """An hour whose usage has been aggregated; a gap between two of them is filled by the next aggregation."""

    __tablename__ = "usage_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    computed_at: Mapped[datetime]


class WebhookEndpointRow(Base):
    """Where a tenant wants to be told of events. Its secrets are in the Secret that its id names, never here."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("webhook_endpoints_page", "tenant", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(63))
    namespace: Mapped[str] = mapped_column(String(63))
    """Where its Secret is, and its deliveries run."""
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Filters (forge_core.webhooks.EVENT_PATTERN); none are all events."""
    description: Mapped[str]
    enabled: Mapped[bool]
    disabled_because: Mapped[str] = mapped_column(String(32))
    """`user` or `gone` (it answered 410); "" while it is enabled."""
    enabled_at: Mapped[datetime]
    """The last time; a 410 of an attempt before that disables nothing."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]


class WebhookSecretRow(Base):
    """A Secret that was made, or was going to be, for an endpoint: noted before it is, forgotten after it is gone."""

    __tablename__ = "webhook_secrets"

    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(String(63))
    noted_at: Mapped[datetime]


class WebhookDeliveryRow(Base):
    """A job that delivers one message to one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("webhook_deliveries_page", "endpoint_id", "created_at", "id"),
        Index("webhook_deliveries_unsettled", "endpoint_id", postgresql_where="settled_at is null"),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    """The job's; of an event's first delivery it is derived from event and endpoint."""
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(String(128))
    event_type: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    """When its end was looked at for what it means for the endpoint."""


class OutboxRow(Base):
    """A CloudEvent or an alert, written in the transaction of what it tells and published afterwards."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("job_id", "type"),
        Index("outbox_unpublished", "channel", "tenant", "position", postgresql_where="published_at is null"),
        Index("outbox_undispatched", "channel", "position", postgresql_where="dispatched_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    tenant: Mapped[str] = mapped_column(String(63))
    type: Mapped[str] = mapped_column(String(63))
    """`analysis.completed`, `analysis.failed`, ..., `sla.breached`."""
    channel: Mapped[str] = mapped_column(String(16), server_default="events")
    """`events` (the tenant's Redis stream) or `alerts` (the alert sink)."""
    position: Mapped[int] = mapped_column(BigInteger, Identity())
    """The order in which rows were written; those of one job are published in it."""
    event: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    """Publications that failed."""
    dispatched_at: Mapped[datetime | None]
    """When its deliveries to endpoints were written; of events alone."""
    next_try_at: Mapped[datetime | None]

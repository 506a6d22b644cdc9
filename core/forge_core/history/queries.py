"""What people ask: a tenant's jobs, one job, its result, artefacts and log. Reads only, and only the tenant's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, case, func, or_, select, text
from sqlalchemy.orm import aliased

from forge_core.history.database import History
from forge_core.history.models import ArtifactRow, AttemptRow, JobRow
from forge_core.history.pages import Place, newest_first, page_of
from forge_core.phase import Phase
from forge_core.resource import INVALID


@dataclass(frozen=True)
class Job:
    """One job's row. `uid` is its AnalysisJob's (None before it has one), times are in UTC."""

    id: UUID
    uid: UUID | None
    tenant: str
    namespace: str
    name: str
    queue: str
    repository_id: str
    requested_by: str
    priority: int
    phase: Phase
    stage: str
    progress: int
    attempts: int
    message: str
    reason: str
    summary: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None
    sla_breached_at: datetime | None
    retry_of: UUID | None = None
    """The failed job that it does again."""
    retried_by: UUID | None = None
    """The job that does it again; None of a job that nobody redrove, or whose retry was cancelled."""


@dataclass(frozen=True)
class Wanted:
    """Which of a tenant's jobs; None means any. `since` is inclusive, `until` exclusive."""

    phase: Phase | None = None
    queue: str | None = None
    repository_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class State:
    """The little of a job that a waiting client must not miss."""

    phase: Phase
    uid: UUID | None


@dataclass(frozen=True)
class StoredFile:
    """What is known of an artefact without its body; size (bytes) and sha256 (hex) are those before compression."""

    attempt: int
    name: str
    content_type: str
    size: int
    sha256: str
    gzipped: bool


@dataclass(frozen=True)
class Result:
    """A successful attempt's summary and artefacts."""

    attempt: int
    ended_at: datetime | None
    summary: dict[str, Any]
    artifacts: tuple[StoredFile, ...]


_RETRY: Final = aliased(JobRow)
_RETRIED_BY: Final = (
    select(_RETRY.id)
    .where(
        _RETRY.retry_of == JobRow.id,
        _RETRY.tenant == JobRow.tenant,
        _RETRY.phase != Phase.CANCELLED.value,
        or_(_RETRY.submitted, _RETRY.phase != Phase.FAILED.value, _RETRY.reason != INVALID),
    )
    .order_by(and_(_RETRY.phase == Phase.FAILED.value, _RETRY.reason == INVALID), _RETRY.created_at.desc())
    .limit(1)
    .correlate(JobRow)
    .scalar_subquery()
    .label("retried_by")
)
"""As `dead_letters` has it in SQL."""
_MADE: Final = frozenset({"id", "uid", "retried_by"})
_COLUMNS: Final = (
    JobRow.id,
    JobRow.resource_uid.label("uid"),
    *(getattr(JobRow, name) for name in Job.__dataclass_fields__ if name not in _MADE),
    _RETRIED_BY,
)
_SCORE: Final = case(
    (JobRow.summary.is_not(None), func.jsonb_build_object("score", JobRow.summary["score"])), else_=None
).label("summary")
_LISTED: Final = tuple(_SCORE if column is JobRow.summary else column for column in _COLUMNS)
"""A summary may take 256 KiB: a page of them is no page."""
_FILE: Final = (
    ArtifactRow.attempt,
    ArtifactRow.name,
    ArtifactRow.content_type,
    ArtifactRow.size,
    ArtifactRow.sha256,
    ArtifactRow.gzipped,
)


class Queries:
    """The readers' side of the history. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def job(self, tenant: str, job_id: UUID) -> Job | None:
        """The tenant's job of that id; another tenant's is None."""
        asked = select(*_COLUMNS).where(JobRow.id == job_id, JobRow.tenant == tenant)
        async with self._history.begin() as connection:
            row = (await connection.execute(asked)).mappings().first()
            return _job(row) if row else None

    async def page(
        self, tenant: str, wanted: Wanted, after: Place | None, limit: int
    ) -> tuple[list[Job], Place | None]:
        """At most `limit` jobs, newest first, and where the next page begins (None: this was the last).

        Of their summaries only the member `score` is read.
        """
        asked = _filtered(select(*_LISTED).where(JobRow.tenant == tenant), wanted)
        asked = newest_first(asked, JobRow, after).limit(limit + 1)
        async with self._history.begin() as connection:
            jobs = [_job(row) for row in (await connection.execute(asked)).mappings()]
        return page_of(jobs, limit)

    async def states(self, job_ids: Sequence[UUID]) -> dict[UUID, State]:
        """Phase and UID of each job that is there; one round trip however many are asked for."""
        asked = select(JobRow.id, JobRow.phase, JobRow.resource_uid).where(JobRow.id.in_(job_ids))
        async with self._history.begin() as connection:
            rows = await connection.execute(asked)
            return {row.id: State(Phase(row.phase), row.resource_uid) for row in rows}

    async def result(self, job_uid: UUID) -> Result | None:
        """The stored result of the AnalysisJob; provisional until its job is Completed, which the caller looks at."""
        asked = (
            select(AttemptRow.number, AttemptRow.ended_at, AttemptRow.summary)
            .where(AttemptRow.job_uid == job_uid, AttemptRow.outcome == "succeeded")
            .order_by(AttemptRow.number.desc())
            .limit(1)
        )
        async with self._history.begin() as connection:
            attempt = (await connection.execute(asked)).first()
            if attempt is None:
                return None
            files = select(*_FILE).where(ArtifactRow.job_uid == job_uid, ArtifactRow.attempt == attempt.number)
            rows = (await connection.execute(files.order_by(ArtifactRow.name))).mappings().all()
        return Result(attempt.number, attempt.ended_at, attempt.summary or {}, tuple(StoredFile(**row) for row in rows))

    async def file(self, job_uid: UUID, name: str, attempt: int | None = None) -> tuple[StoredFile, bytes] | None:
        """An artefact and its body as stored; of the newest attempt that has one unless `attempt` says which."""
        asked = select(*_FILE, ArtifactRow.body).where(ArtifactRow.job_uid == job_uid, ArtifactRow.name == name)
        if attempt is not None:
            asked = asked.where(ArtifactRow.attempt == attempt)
        async with self._history.begin() as connection:
            row = (await connection.execute(asked.order_by(ArtifactRow.attempt.desc()).limit(1))).mappings().first()
        if row is None:
            return None
        return StoredFile(**{key: value for key, value in row.items() if key != "body"}), bytes(row["body"])

    async def tables_are_there(self) -> None:
        """Raises HistoryUnavailable when PostgreSQL is away, and SQLAlchemy's error when it was never migrated."""
        async with self._history.begin() as connection:
            await connection.execute(text("select from jobs limit 1"))


def _filtered(asked: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.phase is not None:
        asked = asked.where(JobRow.phase == wanted.phase.value)
    if wanted.queue is not None:
        asked = asked.where(JobRow.queue == wanted.queue)
    if wanted.repository_id is not None:
        asked = asked.where(JobRow.repository_id == wanted.repository_id)
    if wanted.since is not None:
        asked = asked.where(JobRow.created_at >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(JobRow.created_at < wanted.until)
    if wanted.fingerprint is not None:
        asked = asked.where(JobRow.fingerprint == wanted.fingerprint)
    return asked


def _job(row: Any) -> Job:
    return Job(**{**row, "phase": Phase(row["phase"])})

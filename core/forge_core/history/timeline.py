"""A job's flight recorder, read: what its row, attempts, refunds, artefacts and events tell, and the notes beside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.database import History
from forge_core.history.notes import Note, What

MAX_ROWS: Final = 1000
"""Read of any one table for one job: budgets and refunds keep it far below."""


@dataclass(frozen=True)
class Course:
    """The job's row, as far as it tells what happened."""

    id: UUID
    uid: UUID | None
    namespace: str
    name: str
    queue: str
    submitted: bool
    requested_by: str
    phase: str
    reason: str
    message: str
    failure_class: str
    retry_of: UUID | None
    created_at: datetime
    queued_at: datetime | None = None
    admitted_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    recorded_at: datetime | None = None
    deleted_at: datetime | None = None
    sla_breached_at: datetime | None = None
    last_pod_ended_at: datetime | None = None
    cancelled_by: str = ""


@dataclass(frozen=True)
class Attempt:
    """One claimed attempt."""

    number: int
    pod_uid: UUID
    pod_name: str
    claimed_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    failure_class: str = ""
    message: str = ""
    stage: str = ""
    refunded: bool = False


@dataclass(frozen=True)
class Refunded:
    """A pod whose attempts a disruption ended."""

    pod_uid: UUID
    reason: str
    at: datetime


@dataclass(frozen=True)
class Uploaded:
    """What an attempt stored: how many artefacts, their bytes before compression, and when the last was whole."""

    attempt: int
    artifacts: int
    size: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Told:
    """An event or alert of the outbox."""

    type: str
    channel: str
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True)
class Facts:
    """All that is known of one job's course."""

    course: Course
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refunded, ...] = ()
    uploads: tuple[Uploaded, ...] = ()
    told: tuple[Told, ...] = ()
    notes: tuple[Note, ...] = ()


_COURSE = text("""
    select id, resource_uid as uid, namespace, name, queue, submitted, requested_by, phase, reason, message,
        failure_class, retry_of, created_at, queued_at, admitted_at, started_at, completed_at, recorded_at, deleted_at,
        sla_breached_at, last_pod_ended_at, cancelled_by
    from jobs where id = :id and tenant = :tenant
""")
_ATTEMPTS = text("""
    select number, pod_uid, pod_name, claimed_at, ended_at, outcome, failure_class, message, stage, refunded
    from attempts where job_uid = :uid order by number limit :most
""")
_REFUNDS = text("select pod_uid, reason, at from refunds where job_uid = :uid order by at limit :most")
_UPLOADS = text("""
    select attempt, count(*) as artifacts, cast(sum(size) as bigint) as size, min(stored_at) as first,
        max(stored_at) as last
    from artifacts where job_uid = :uid group by attempt order by attempt limit :most
""")
_TOLD = text("""
    select type, channel, created_at, published_at from outbox where job_id = :id order by position limit :most
""")
_NOTES = text("select job_uid, at, what, key, detail from timeline where job_uid = :uid order by id limit :most")


class Timelines:
    """Reads only. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def of(self, tenant: str, job_id: UUID) -> Facts | None:
        """All that is known of the tenant's job; None when there is none of that id."""
        async with self._history.begin() as connection:
            row = (await connection.execute(_COURSE, {"id": job_id, "tenant": tenant})).mappings().first()
            if row is None:
                return None
            course = Course(**row)
            asked = {"id": course.id, "uid": course.uid, "most": MAX_ROWS}
            return Facts(
                course=course,
                attempts=tuple([Attempt(**each) for each in await _rows(connection, _ATTEMPTS, asked)]),
                refunds=tuple([Refunded(**each) for each in await _rows(connection, _REFUNDS, asked)]),
                uploads=tuple([Uploaded(**each) for each in await _rows(connection, _UPLOADS, asked)]),
                told=tuple([Told(**each) for each in await _rows(connection, _TOLD, asked)]),
                notes=tuple([note for each in await _rows(connection, _NOTES, asked) if (note := _note(each))]),
            )


async def _rows(connection: AsyncConnection, statement: TextClause, asked: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await connection.execute(statement, asked)).mappings()]


def _note(row: dict[str, Any]) -> Note | None:
    """None for a word of a later release."""
    try:
        return Note(**{**row, "what": What(row["what"])})
    except ValueError:
        return None

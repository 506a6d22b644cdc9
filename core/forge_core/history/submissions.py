"""Jobs that the API accepts: the row is written first, so a job accepted while the cluster is away is not lost.

A row is sent (its AnalysisJob created) while it is locked, and cancelled under the same lock: a row that was cancelled
before it was sent is never sent afterwards. One doubt is left, a create whose answer never came; such rows stay
`doubtful` until somebody has looked for their AnalysisJob.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.causes import write_fingerprints
from forge_core.history.database import History, storable
from forge_core.history.events import event_of
from forge_core.history.records import End
from forge_core.history.repeating import Once, Whose, earlier, mark
from forge_core.phase import Phase

KIND: Final = "analysis"
"""Of rows without one: an older release wrote them, and took nothing else."""
CANCELLED_BEFORE_SENT: Final = "CancelledBeforeSent"
DELETED: Final = "Deleted"
CANCELLED_BY_USER: Final = "CancelledByUser"
REFUSED: Final = "Refused"


@dataclass(frozen=True)
class Submission:
    """One accepted job: `id` is its row's id and its AnalysisJob's name, `spec` the AnalysisJob's."""

    id: UUID
    tenant: str
    namespace: str
    spec: dict[str, Any]
    created_at: datetime
    due_in: float | None = None
    """Seconds until it may be sent, of jobs that are redriven at a bounded rate; None for one that may go at once."""
    kind: str = ""
    """The queue's jobType; kept in the row, so that the event of a job that is refused is named after it."""


_INSERT = text("""
    insert into jobs (id, tenant, namespace, name, queue, kind, submitted, repository_id, requested_by, spec, priority,
        phase, resource_version, stage, progress, attempts, message, reason, failure_class, cancelled_by, created_at)
    values (:id, :tenant, :namespace, :name, :queue, :kind, true, :repository_id, :requested_by, cast(:spec as jsonb),
        :priority, 'Queued', 0, '', 0, 0, :message, '', '', '', :created_at)
    on conflict (id) do nothing returning id
""")
_UNSENT = text("""
    select id, tenant, namespace, spec, created_at, extract(epoch from send_after - now())::float8 as due_in from jobs
    where submitted and resource_uid is null and phase = 'Queued'
      and (send_after is null or send_after <= now() + make_interval(secs => :within))
    order by send_after nulls first, created_at limit :limit
""")
_LOCKED = text("""
    select id, tenant, namespace, spec, created_at from jobs
    where id = :id and submitted and resource_uid is null and phase = 'Queued'
      and (send_after is null or send_after <= now())
    for update skip locked
""")
_SENT = text("""
    update jobs set resource_uid = :uid, message = '' where id = :id and resource_uid is null
      and not exists (select from jobs where resource_uid = :uid)
""")
_EXPLAIN = text("update jobs set message = :message where id = :id and resource_uid is null and phase = 'Queued'")
_FORGET = text("delete from jobs where id = :id and resource_uid is null")
_REFUSE = text("""
    update jobs set phase = 'Failed', reason = :reason, message = :message, failure_class = 'permanent',
        completed_at = :now, recorded_at = :now
    where id = :id and resource_uid is null and phase = 'Queued'
    returning id, tenant, queue, kind, repository_id, created_at
""")
_OUTBOX = text("""
    insert into outbox (id, job_id, tenant, type, event, created_at)
    values (:id, :job_id, :tenant, :type, cast(:event as jsonb), :now) on conflict (job_id, type) do nothing
""")
_CANCEL_UNSENT = text("""
    update jobs set phase = 'Cancelled', reason = :reason, message = :message, cancelled_by = :by, completed_at = :now
    where id = (select id from jobs where id = :id for update)
      and submitted and resource_uid is null and phase = 'Queued' returning id
""")
_CANCEL = text("""
    update jobs set phase = 'Cancelled', reason = :reason, message = :message, cancelled_by = :by,
        completed_at = coalesce(completed_at, :now)
    where id = :id and phase not in ('Completed', 'Failed', 'Cancelled')
""")
_DOUBTFUL = text("""
    select id, tenant, namespace, spec, created_at from jobs
    where submitted and phase = 'Cancelled' and reason = :reason and recorded_at is null and completed_at < :before
    order by created_at limit :limit
""")
_SETTLED = text("update jobs set recorded_at = :now where id = :id and recorded_at is null")


async def write_submission(connection: AsyncConnection, job: Submission) -> bool:
    """Write a job's row within a transaction of the caller's; False when one of its id is there already."""
    spec = storable(job.spec)
    values = {
        "id": job.id,
        "tenant": job.tenant,
        "namespace": job.namespace,
        "name": str(job.id),
        "queue": spec["queue"],
        "kind": job.kind,
        "repository_id": spec.get("repositoryId", ""),
        "requested_by": spec.get("requestedBy", ""),
        "spec": json.dumps(spec),
        "priority": spec["priority"],
        "message": "Accepted; on its way to the cluster.",
        "created_at": job.created_at,
    }
    return (await connection.execute(_INSERT, values)).first() is not None


class Submissions:
    """The API's side of the history. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def accept(self, job: Submission, once: Once | None = None) -> UUID:
        """Write the row. From here on the job is not lost.

        Its id, or with `once` that of the job accepted before under that key. Raises OtherRequest, Outstanding.
        """
        async with self._history.begin() as connection:
            if once is not None:
                whose = Whose(job.tenant, storable(job.spec["requestedBy"]))
                found = await earlier(connection, whose, job.created_at, once)
                if found is not None:
                    return found
            await write_submission(connection, job)
            if once is not None:
                await mark(connection, job.id, once)
        return job.id

    async def unsent(self, within: float = 0.0, limit: int = 100) -> list[Submission]:
        """Accepted jobs without an AnalysisJob that are due, or are so `within` seconds, in the order of their turns.

        Jobs that may go at once come first, oldest first.
        """
        async with self._history.begin() as connection:
            rows = await connection.execute(_UNSENT, {"limit": limit, "within": within})
            return [_submission(row) for row in rows.mappings()]

    async def send(self, job_id: UUID, create: Callable[[Submission], Awaitable[UUID]]) -> bool:
        """Call `create` with the row locked and keep the UID that it answers.

        False when there is nothing to send: another process is at it, it isn't due yet, or it was sent or cancelled
        meanwhile. What `create` raises is passed on, and the row stays unsent.
        """
        async with self._history.begin() as connection:
            row = (await connection.execute(_LOCKED, {"id": job_id})).mappings().first()
            if row is None:
                return False
            uid = await create(_submission(row))
            await connection.execute(_SENT, {"id": job_id, "uid": uid})
            return True

    async def explain(self, job_id: UUID, message: str) -> None:
        """Say on an unsent job why it waits."""
        async with self._history.begin() as connection:
            await connection.execute(_EXPLAIN, {"id": job_id, "message": storable(message)})

    async def forget(self, job_id: UUID) -> None:
        """Take back an unsent job whose submitter is being told so."""
        async with self._history.begin() as connection:
            await connection.execute(_FORGET, {"id": job_id})

    async def refuse(self, job_id: UUID, message: str, now: datetime) -> None:
        """An unsent job that the cluster will never take ends Failed, with its event in the same transaction."""
        values = {"id": job_id, "reason": REFUSED, "message": storable(message), "now": now}
        async with self._history.begin() as connection:
            row = (await connection.execute(_REFUSE, values)).mappings().first()
            if row is None:
                return
            end = End(
                id=row["id"],
                uid=row["id"],
                tenant=row["tenant"],
                queue=row["queue"],
                phase=Phase.FAILED,
                repository_id=row["repository_id"],
                message=message,
                started_at=None,
                completed_at=now,
            )
            await write_fingerprints(connection, [end.id])
            event = event_of(end, row["kind"] or KIND)
            if event:
                told = {"id": event["id"], "job_id": end.id, "tenant": end.tenant, "type": event["type"], "now": now}
                await connection.execute(_OUTBOX, {**told, "event": json.dumps(event)})

    async def cancel_unsent(self, job_id: UUID, user: str, now: datetime) -> bool:
        """Cancel a job that has no AnalysisJob yet, in its row alone. False when it has one, or is over."""
        values = {"id": job_id, "by": user, "now": now, "reason": CANCELLED_BEFORE_SENT}
        async with self._history.begin() as connection:
            answer = await connection.execute(_CANCEL_UNSENT, {**values, "message": "Cancelled before it was started."})
            return answer.first() is not None

    async def cancel(self, job_id: UUID, user: str, now: datetime, *, deleted: bool = False) -> None:
        """The operator has agreed (or the AnalysisJob was `deleted`): from now on the row says cancelled."""
        reason = DELETED if deleted else CANCELLED_BY_USER
        message = (
            "The AnalysisJob was deleted before it ended; nothing follows." if deleted else "Cancelled on request."
        )
        values = {"id": job_id, "by": user, "now": now, "reason": reason, "message": message}
        async with self._history.begin() as connection:
            await connection.execute(_CANCEL, values)

    async def doubtful(self, before: datetime, limit: int = 100) -> list[Submission]:
        """Jobs cancelled in their row alone before `before` whose AnalysisJob nobody has looked for yet."""
        values = {"reason": CANCELLED_BEFORE_SENT, "before": before, "limit": limit}
        async with self._history.begin() as connection:
            rows = await connection.execute(_DOUBTFUL, values)
            return [_submission(row) for row in rows.mappings()]

    async def settle(self, job_id: UUID, now: datetime) -> None:
        """Somebody has looked: the doubtful job has no AnalysisJob."""
        async with self._history.begin() as connection:
            await connection.execute(_SETTLED, {"id": job_id, "now": now})


def _submission(row: RowMapping) -> Submission:
    return Submission(**row)

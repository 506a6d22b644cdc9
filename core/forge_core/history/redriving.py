"""Doing failed jobs again: always as new jobs that name their origin, and never twice by accident.

A new job is a row as the API writes one for a submission; the submitter sends it. The index `jobs_redriven` decides who
comes first. What is redriven by the group is spaced out by `send_after`, one tenant's groups behind one another.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text

from forge_core.history.database import History
from forge_core.history.dead_letters import RETRIED, RETRIED_ORDER
from forge_core.phase import Phase
from forge_core.resource import INVALID


@dataclass(frozen=True)
class Asker:
    """Who redrives: the tenant, the user who becomes `requestedBy`, the namespaces that are the tenant's now."""

    tenant: str
    user: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """Which dead letters: at most `limit` (the oldest first) of those of a fingerprint, queue, class; None is any."""

    limit: int
    fingerprint: str | None = None
    queue: str | None = None
    failure_class: str | None = None


@dataclass(frozen=True)
class Redriven:
    """What became of a selection: `redriven` new jobs, the last of which is sent at `last_at`.

    `skipped` had been redriven before, or can't be; `left` were beyond the limit.
    """

    redriven: int
    skipped: int
    left: int
    last_at: datetime | None


class NotRedriven(Exception):
    """The job can't be redriven, and the message says why; `retried_by` is the job that does it already."""

    def __init__(self, message: str, retried_by: UUID | None = None) -> None:
        super().__init__(message)
        self.retried_by = retried_by


_COLUMNS: Final = """
    id, tenant, namespace, name, queue, kind, submitted, repository_id, requested_by, spec, priority, phase,
    resource_version, stage, progress, attempts, message, reason, failure_class, cancelled_by, created_at, retry_of,
    send_after
"""
_COPIED: Final = """
    (j.spec - 'cancel')
    || case when jsonb_exists(j.spec, 'priority') then jsonb_build_object('priority', j.priority) else '{}' end
    || jsonb_build_object('retryOf', j.id::text, 'requestedBy', cast(:user as text))
"""
"""The origin's spec; its priority may have been changed while it waited."""
_ONCE: Final = "on conflict (retry_of) where submitted and retry_of is not null and phase <> 'Cancelled' do nothing"
_ORIGIN: Final = text(f"""
    select j.phase, j.reason, j.namespace, (
        select r.id from jobs r where {RETRIED} {RETRIED_ORDER} limit 1) as retried_by
    from jobs j where j.id = :id and j.tenant = :tenant for update of j
""")  # noqa: S608 - the texts are this module's own
_REDRIVE: Final = text(f"""
    insert into jobs ({_COLUMNS})
    select cast(:new_id as uuid), j.tenant, j.namespace, cast(:new_id as text), j.queue, j.kind, true, j.repository_id,
        cast(:user as text), {_COPIED}, j.priority, 'Queued', 0, '', 0, 0, 'Accepted; on its way to the cluster.', '',
        '', '', now(), j.id, null
    from jobs j where j.id = :id
    {_ONCE} returning id
""")  # noqa: S608
_IN_TURN: Final = text("select pg_advisory_xact_lock(hashtextextended('redriving/' || cast(:tenant as text), 0))")
_REDRIVE_MANY: Final = text(f"""
    with found as materialized (
        select j.id, j.completed_at, j.namespace = any(:namespaces) and j.reason <> '{INVALID}'
            and not exists (select from jobs r where {RETRIED}) as open
        from jobs j
        where j.tenant = :tenant and j.phase = 'Failed' and j.recorded_at is not null
          and (cast(:fingerprint as text) is null or j.fingerprint = :fingerprint)
          and (cast(:queue as text) is null or j.queue = :queue)
          and (cast(:failure_class as text) is null or j.failure_class = :failure_class)
    ), chosen as materialized (
        select id, gen_random_uuid() as new_id, row_number() over (order by completed_at, id) as place
        from found where open order by completed_at, id limit :limit
    ), first as materialized (
        select coalesce(max(send_after) + make_interval(secs => :gap), now()) as at from jobs
        where tenant = :tenant and submitted and resource_uid is null and phase = 'Queued' and send_after >= now()
    ), planned as materialized (
        select c.id, c.new_id, first.at + make_interval(secs => :gap * (c.place - 1)) as send_after
        from chosen c cross join first
    ), made as (
        insert into jobs ({_COLUMNS})
        select p.new_id, j.tenant, j.namespace, p.new_id::text, j.queue, j.kind, true, j.repository_id,
            cast(:user as text), {_COPIED}, j.priority, 'Queued', 0, '', 0, 0,
            'Accepted; redriven with others, it goes to the cluster at '
                || to_char(p.send_after at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '.',
            '', '', '', now(), j.id, p.send_after
        from planned p join jobs j on j.id = p.id
        {_ONCE} returning send_after
    )
    select (select count(*) from found) as found, (select count(*) from found where open) as open,
        (select count(*) from chosen) as chosen, (select count(*) from made) as made,
        (select max(send_after) from made) as last_at
""")  # noqa: S608


class Redriving:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History, per_second: float) -> None:
        """`per_second` is how many jobs of a redriven group are sent in a second."""
        self._history = history
        self._gap = 1 / per_second

    async def one(self, asker: Asker, job_id: UUID) -> UUID | None:
        """The id of the new job, which may be sent at once; None when the tenant has no such job. NotRedriven."""
        new_id = uuid4()
        values = {"id": job_id, "tenant": asker.tenant, "user": asker.user, "new_id": new_id}
        async with self._history.begin() as connection:
            origin = (await connection.execute(_ORIGIN, values)).mappings().first()
            if origin is None:
                return None
            _refuse(origin, asker)
            made = (await connection.execute(_REDRIVE, values)).scalar_one_or_none()
            if made is None:
                again = (await connection.execute(_ORIGIN, values)).mappings().one()
                _refuse(again, asker)
                raise NotRedriven("The job is being redriven by somebody else; look at it again.")
            return new_id

    async def many(self, asker: Asker, selection: Selection) -> Redriven:
        """Redrive dead letters at the bounded rate. Nothing found is no error."""
        values: dict[str, Any] = {
            "tenant": asker.tenant,
            "user": asker.user,
            "namespaces": list(asker.namespaces),
            "gap": self._gap,
            "limit": selection.limit,
            "fingerprint": selection.fingerprint,
            "queue": selection.queue,
            "failure_class": selection.failure_class,
        }
        async with self._history.begin() as connection:
            await connection.execute(_IN_TURN, values)
            row = (await connection.execute(_REDRIVE_MANY, values)).mappings().one()
        skipped = row["found"] - row["open"] + row["chosen"] - row["made"]
        return Redriven(row["made"], skipped, row["open"] - row["chosen"], row["last_at"])


def _refuse(origin: RowMapping, asker: Asker) -> None:
    """Raises NotRedriven unless the job may be done again."""
    phase = Phase(origin["phase"])
    if phase is not Phase.FAILED:
        raise NotRedriven(f"The job is {phase.lower()}: only a job that ended failed can be redriven.")
    if origin["retried_by"] is not None:
        again = origin["retried_by"]
        raise NotRedriven(f"The job is redriven already, by {again}: redrive that one should it fail.", again)
    if origin["reason"] == INVALID:
        raise NotRedriven("The job can't be carried out as it was written: apply a corrected manifest, or submit anew.")
    if origin["namespace"] not in asker.namespaces:
        raise NotRedriven(f"Namespace {origin['namespace']} is no longer this tenant's: submit the job anew.")

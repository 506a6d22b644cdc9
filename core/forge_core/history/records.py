"""What the cluster says, written down: every AnalysisJob's status, its end, its deletion, how its pods ended.

Batched and idempotent. An older status never overwrites a newer one and a terminal phase is final, so duplicates and
reordered batches have no effect. What counts once (metrics, events of the outbox) follows from `recorded_at`, which
the same transaction sets with the first terminal status that it writes.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.attempts import MAX_REFUNDS
from forge_core.exits import FailureClass
from forge_core.history import record_statements as sql
from forge_core.history.breaches import Breach, Noted, note
from forge_core.history.causes import write_fingerprints
from forge_core.history.database import History, storable
from forge_core.history.events import event_of
from forge_core.history.notes import Note, write_notes
from forge_core.phase import Phase


@dataclass(frozen=True)
class JobRecord:
    """One AnalysisJob's status as of `resource_version`. `kind` is its queue's jobType ("" when the queue is gone)."""

    uid: UUID
    resource_version: int
    tenant: str
    namespace: str
    name: str
    queue: str
    kind: str
    spec: dict[str, Any]
    priority: int
    phase: Phase
    created_at: datetime
    stage: str = ""
    progress: int = 0
    attempts: int = 0
    message: str = ""
    reason: str = ""
    failure_class: str = ""
    queued_at: datetime | None = None
    admitted_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    last_pod_ended_at: datetime | None = None
    resource_class: str = ""
    cpu_millis: int = 0
    """Requested by its pod; 0 when its class says nothing."""
    memory_mib: int = 0
    breach: Breach | None = None
    """Of a job that has ended: its SLA's clock, which it breached if it ended no earlier than that ran out."""
    retry_of: UUID | None = None
    """The failed job that it does again, as its manifest says (`spec.retryOf`)."""


@dataclass(frozen=True)
class End:
    """A job whose end was recorded for the first time; times as in its row."""

    id: UUID
    uid: UUID
    tenant: str
    queue: str
    phase: Phase
    repository_id: str
    message: str
    started_at: datetime | None
    completed_at: datetime | None
    failure_class: str = ""
    attempts: tuple["Tried", ...] = ()
    kind: str = ""
    """Of work, as its queue had it when it was last there: the queue may be deleted before its jobs have ended."""
    breached: bool = False
    """Whether this end, and nobody before, told that the job broke its SLA."""


@dataclass(frozen=True)
class Tried:
    """`count` attempts of one job that ended alike; `failure_class` is "" when they succeeded."""

    outcome: str
    failure_class: str
    count: int


@dataclass(frozen=True)
class PodEnd:
    """How a pod ended, as the cluster tells it.

    `ended_at` is None while a disruption is only on its way to end it. `refund` is why the cluster took it away (the
    reason of its condition DisruptionTarget), "" when it didn't: then its attempt is charged.
    """

    pod_uid: UUID
    job_uid: UUID
    failure_class: FailureClass
    message: str
    ended_at: datetime | None
    refund: str = ""


_LENGTHS = {
    "tenant": 63, "namespace": 63, "name": 253, "queue": 63, "kind": 63, "reason": 63, "failure_class": 32,
    "message": 4096, "resource_class": 63,
}  # fmt: skip


class Records:
    """The operator's view of the history. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def write(self, records: Sequence[JobRecord], notes: Sequence[Note] = ()) -> list[End]:
        """Record each status, and the notes beside them, in one transaction; answers the jobs whose end was new.

        An unknown UID adopts the row that the API wrote when it submitted the job, else gets one with the UID as id.
        Of two records of one job the later resourceVersion counts.
        """
        newest: dict[UUID, JobRecord] = {}
        for record in sorted(records, key=lambda record: record.resource_version):
            newest[record.uid] = record
        if not newest and not notes:
            return []
        kinds = {uid: record.kind for uid, record in newest.items()}
        rows = {"rows": json.dumps([_row(record) for record in newest.values()])}
        async with self._history.begin() as connection:
            for statement in (sql.ADOPT, sql.INSERT, sql.LOCK, sql.UPDATE) if newest else ():
                await connection.execute(statement, rows)
            await write_notes(connection, notes)
            over = [uid for uid, record in newest.items() if record.phase.terminal]
            ends = await _first_ends(connection, over, kinds)
            clocks = {uid: record.breach for uid, record in newest.items() if record.breach}
            noted = await note(connection, [clocks[end.uid] for end in ends if end.uid in clocks])
            return [replace(end, breached=end.uid in noted.new) for end in ends]

    async def deleted(self, uids: Sequence[UUID]) -> list[End]:
        """Mark AnalysisJobs that are gone from the cluster; one that had not ended becomes Cancelled by that."""
        if not uids:
            return []
        async with self._history.begin() as connection:
            await connection.execute(sql.DELETED, {"uids": list(uids)})
            return await _first_ends(connection, list(uids), {})

    async def breaches(self, breaches: Sequence[Breach]) -> Noted:
        """Note the clocks of open jobs that ran out; which of them had a row, and which were news."""
        async with self._history.begin() as connection:
            return await note(connection, breaches)

    async def pods_ended(self, ends: Sequence[PodEnd]) -> None:
        """Close the attempts of pods that could not tell their end; what a disruption ended is refunded.

        At most MAX_REFUNDS a job. An attempt whose end its own runner told keeps it.
        """
        async with self._history.begin() as connection:
            for end in sorted(ends, key=lambda end: end.job_uid):  # always in one order: each locks its job
                values = {**asdict(end), "failure_class": end.failure_class.value, "most": MAX_REFUNDS}
                values["message"] = storable(end.message)[:1024]
                await connection.execute(sql.LOCK_JOB, values)
                if end.refund:
                    await connection.execute(sql.REFUND, {**values, "reason": end.refund[:63]})
                if end.ended_at is not None:
                    await connection.execute(sql.END_OF_POD, values)

    async def summaries(self, uids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """The stored result's summary of each job that has one, by the AnalysisJob's UID."""
        async with self._history.begin() as connection:
            rows = await connection.execute(sql.SUMMARIES, {"uids": list(uids)})
            return {uid: summary for uid, summary in rows if summary}

    async def starts_since(self, moment: datetime) -> list[tuple[str, str, datetime]]:
        """(queue, UID, admitted at) of each admission since `moment`, deleted jobs included, oldest first."""
        async with self._history.begin() as connection:
            rows = await connection.execute(sql.STARTS, {"moment": moment})
            return [(queue, str(uid), at) for queue, uid, at in rows]

    async def in_cluster(self) -> set[UUID]:
        """UIDs of the AnalysisJobs that are not yet known to be deleted."""
        async with self._history.begin() as connection:
            rows = await connection.execute(sql.IN_CLUSTER)
            return {uid for (uid,) in rows}


async def _first_ends(connection: AsyncConnection, uids: list[UUID], kinds: dict[UUID, str]) -> list[End]:
    """Stamp the ends that were not recorded before, write their events, close what their pods left open."""
    if not uids:
        return []
    rows = await connection.execute(sql.FIRST_ENDS, {"uids": uids})
    ends = [End(**{**row, "phase": Phase(row["phase"])}) for row in rows.mappings()]
    if ends:
        await connection.execute(sql.CLOSE_ATTEMPTS, {"uids": [end.uid for end in ends]})
        await write_fingerprints(connection, [end.id for end in ends if end.phase is Phase.FAILED])
        ends = await _with_attempts(connection, ends)
    made = [(end, event_of(end, kinds.get(end.uid) or end.kind)) for end in ends]
    events = [
        {"id": event["id"], "job_id": end.id, "tenant": end.tenant, "type": event["type"], "event": json.dumps(event)}
        for end, event in made
        if event
    ]
    if events:
        await connection.execute(sql.OUTBOX, events)
    return ends


async def _with_attempts(connection: AsyncConnection, ends: list[End]) -> list[End]:
    """The ends with what was tried before them: counted in their transaction, so as often as they are."""
    tried: dict[UUID, list[Tried]] = defaultdict(list)
    for row in await connection.execute(sql.TRIED, {"uids": [end.uid for end in ends]}):
        tried[row.job_uid].append(Tried(row.outcome, row.failure_class, row.many))
    return [replace(end, attempts=tuple(tried[end.uid])) for end in ends]


def _row(record: JobRecord) -> dict[str, Any]:
    """A record as JSON; what the columns can't hold is cut or left out, so that no job can block a batch."""
    row: dict[str, Any] = storable({name: value for name, value in vars(record).items() if name != "breach"})
    row["uid"] = str(record.uid)
    row["retry_of"] = str(record.retry_of) if record.retry_of else None
    for key, most in _LENGTHS.items():
        row[key] = row[key][:most]
    for key, value in row.items():
        if isinstance(value, datetime):
            row[key] = value.isoformat()
    return row

"""Breaches of SLAs: noted once on the job's row, with the alert for the sink in the same transaction.

Whoever sees a clock run out says so here, as often as it likes: the row decides whether it is true and whether it is
new. A job that was cancelled breaches nothing, one that had ended by then doesn't either.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.durations import timestamp
from forge_core.history.outbox import Channel
from forge_core.names import GROUP
from forge_core.resource import SlaClock

SLA_BREACHED: Final = "sla.breached"


@dataclass(frozen=True)
class Breach:
    """A clock that ran out. `began` and `at` are its beginning and its end; `limit` is in seconds."""

    uid: UUID
    """Of the AnalysisJob."""
    clock: SlaClock
    began: datetime
    limit: float
    at: datetime


@dataclass(frozen=True)
class Noted:
    """`settled`: the UIDs that have a row, which has decided; `new`: UID and queue of each breach that was news."""

    settled: frozenset[UUID]
    new: dict[UUID, str]


_LOCK: Final = text("select resource_uid from jobs where resource_uid = any(:uids) order by id for update")
_NOTE: Final = text("""
    update jobs j set sla_breached_at = r.at
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(
        uid uuid, clock text, began timestamptz, "limit" float8, at timestamptz)
    where j.resource_uid = r.uid and j.sla_breached_at is null and j.phase not in ('Cancelling', 'Cancelled')
      and (j.completed_at is null or j.completed_at >= r.at)
      and (r.clock <> :first_attempt or not exists (
        select from attempts a where a.job_uid = r.uid and a.claimed_at < r.at))
    returning j.id, j.resource_uid as uid, j.tenant, j.namespace, j.name, j.queue, j.kind, j.phase, r.clock, r.began,
        r."limit", r.at, extract(epoch from coalesce(j.completed_at, now()) - r.began) as seconds
""").bindparams(first_attempt=SlaClock.FIRST_ATTEMPT.value)
_ALERT: Final = text("""
    insert into outbox (id, job_id, tenant, type, channel, event, created_at)
    values (:id, :job_id, :tenant, :type, :channel, cast(:event as jsonb), now())
    on conflict (job_id, type) do nothing
""")


async def note(connection: AsyncConnection, breaches: Sequence[Breach]) -> Noted:
    """Note what is true and new, within the caller's transaction. A UID without a row isn't settled: ask again."""
    if not breaches:
        return Noted(frozenset(), {})
    uids = [breach.uid for breach in breaches]
    settled = frozenset((await connection.execute(_LOCK, {"uids": uids})).scalars())
    rows = [{**vars(b), "uid": str(b.uid), "began": b.began.isoformat(), "at": b.at.isoformat()} for b in breaches]
    new = (await connection.execute(_NOTE, {"rows": json.dumps(rows)})).mappings().all()
    alerts = [
        {
            "id": alert["id"], "job_id": row["id"], "tenant": row["tenant"], "type": SLA_BREACHED,
            "channel": Channel.ALERTS.value, "event": json.dumps(alert),
        }
        for row in new
        for alert in [alert_of(row)]
    ]  # fmt: skip
    if alerts:
        await connection.execute(_ALERT, alerts)
    return Noted(settled, {row["uid"]: row["queue"] for row in new})


def alert_of(row: RowMapping) -> dict[str, Any]:
    """The alert as a CloudEvent; `seconds` of its data is how long the job had taken when the breach was noted."""
    job = str(row["id"])
    return {
        "specversion": "1.0",
        "id": str(uuid5(NAMESPACE_URL, f"{job}/{SLA_BREACHED}")),
        "source": f"/{GROUP}/{row['tenant']}",
        "type": SLA_BREACHED,
        "subject": job,
        "time": timestamp(row["at"]),
        "datacontenttype": "application/json",
        "tenantid": row["tenant"],
        "data": {
            "analysisId": job,
            "queue": row["queue"],
            "kind": row["kind"],
            "namespace": row["namespace"],
            "name": row["name"],
            "phase": row["phase"],
            "clock": row["clock"],
            "began": timestamp(row["began"]),
            "limitSeconds": row["limit"],
            "seconds": round(max(float(row["seconds"]), row["limit"]), 1),
        },
    }

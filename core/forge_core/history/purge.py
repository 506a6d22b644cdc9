"""What is past its time leaves the history, a batch a call, each call whole in itself: it may be repeated at any time.

A job's row goes with everything that hangs on it: attempts, artefacts, timeline, refunds, published events. It stays,
however old, while its AnalysisJob is in the cluster, while an event of it is unpublished, and until its hour's usage
is aggregated. Usage itself is kept for ever: it is small.

With `dry` a call counts what it would remove, in a transaction that can only read. What the steps before it in a purge
would have done it takes as done: every hour that is over is aggregated, and what `rows` removes is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.database import History
from forge_core.maintenance import OWNERLESS_FOR

JOBS_AT_ONCE: Final = 200
MOST_COUNTED: Final = 100_000
UIDS_AT_ONCE: Final = 5000


@dataclass(frozen=True)
class Ended:
    """A place in the order of ends, which is that of `completed_at`, then id."""

    at: datetime
    id: UUID


@dataclass(frozen=True)
class Batch:
    """What one call did: rows looked at, rows that went by table, rows of jobs that had to stay, and where it ended."""

    looked_at: int
    gone: Mapping[str, int]
    kept: int = 0
    last: Ended | None = None
    """None when nothing is left."""


@dataclass(frozen=True)
class Swept:
    """What one call did about orphans: UIDs looked at, rows that went by table, the last UID (None: that was all)."""

    looked_at: int
    gone: Mapping[str, int] = field(default_factory=dict)
    last: UUID | None = None


_OLD = """
    select id, resource_uid, completed_at, deleted_at, recorded_at from jobs
    where recorded_at is not null and phase in ('Completed', 'Failed', 'Cancelled') and completed_at < :before
      and (cast(:at as timestamptz) is null or (completed_at, id) > (:at, cast(:id as uuid)))
    order by completed_at, id limit :limit
"""
_LEFT_THE_CLUSTER = "(o.resource_uid is null or o.deleted_at is not null)"
_COUNT = text(f"select count(*) from ({_OLD}) o")  # noqa: S608
_LOOKED_AT = text(f"with o as ({_OLD}) select id, completed_at from o order by completed_at, id")  # noqa: S608
_NOTHING_UNTOLD = f"""
    {_LEFT_THE_CLUSTER} and not exists (select from outbox e where e.job_id = o.id and e.published_at is null)
"""
_WOULD_GO = text(f"with o as ({_OLD}) select o.id, o.resource_uid from o where {_NOTHING_UNTOLD}")  # noqa: S608
_MAY_GO = text(f"""
    with o as ({_OLD})
    select j.id, j.resource_uid from o join jobs j on j.id = o.id
    where {_NOTHING_UNTOLD}
      and exists (select from usage_hours h where h.hour = date_trunc('hour', o.completed_at, 'UTC'))
    order by j.id for update of j skip locked
""")  # noqa: S608
_ARTIFACTS = text(f"""
    delete from artifacts a using ({_OLD}) o where a.job_uid = o.resource_uid and {_LEFT_THE_CLUSTER}
""")  # noqa: S608
_COUNT_ARTIFACTS = text(f"""
    select count(*) from artifacts a join ({_OLD}) o on a.job_uid = o.resource_uid
    where {_LEFT_THE_CLUSTER} and not (o.completed_at < :rows_before and {_NOTHING_UNTOLD})
""")  # noqa: S608
_BY_UID: Final = ("artifacts", "attempts", "refunds", "timeline")
"""Tables whose rows hang on a job by its resource's UID."""
_BY_ID: Final = {"outbox": "job_id", "jobs": "id"}

_TOUCHED: Final = {
    "artifacts": "stored_at",
    "attempts": "coalesce(ended_at, claimed_at)",
    "refunds": "at",
    "timeline": "at",
}
_SOME_UIDS = " union ".join(
    f"(select distinct job_uid from {table} where cast(:after as uuid) is null or job_uid > :after"  # noqa: S608
    " order by job_uid limit :limit)"
    for table in _TOUCHED
)
_UIDS = text(f"select job_uid from ({_SOME_UIDS}) u order by job_uid limit :limit")  # noqa: S608
_YOUNG = " or ".join(
    f"exists (select from {table} t where t.job_uid = u.uid and {touched} >= :before)"
    for table, touched in _TOUCHED.items()
)
_ORPHANS = text(f"""
    select u.uid from unnest(cast(:uids as uuid[])) u(uid)
    where not exists (select from jobs j where j.resource_uid = u.uid) and not ({_YOUNG})
""")  # noqa: S608


class Purge:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def older_than(self, before: datetime, after: Ended | None = None) -> int:
        """How many jobs ended before `before`, those up to `after` left out; more than MOST_COUNTED are not counted."""
        values = {**_values(before, after), "limit": MOST_COUNTED}
        async with self._history.begin() as connection:
            return int((await connection.execute(_COUNT, values)).scalar_one())

    async def rows(self, before: datetime, after: Ended | None = None, *, dry: bool = False) -> Batch:
        """Remove jobs that ended before `before`, of the next JOBS_AT_ONCE after `after`."""
        values = _values(before, after)
        async with self._history.look() if dry else self._history.begin() as connection:
            looked_at = (await connection.execute(_LOOKED_AT, values)).all()
            going = (await connection.execute(_WOULD_GO if dry else _MAY_GO, values)).all()
            ids, uids = [row.id for row in going], [row.resource_uid for row in going if row.resource_uid]
            take = _count if dry else _remove
            gone = {table: await take(connection, table, "job_uid", uids) for table in _BY_UID}
            gone |= {table: await take(connection, table, column, ids) for table, column in _BY_ID.items()}
        return Batch(len(looked_at), gone, len(looked_at) - len(ids), _last(looked_at))

    async def would_go(self, before: datetime, rows_before: datetime, after: Ended | None = None) -> Batch:
        """What `artifacts` would remove once `rows` had removed all that ended before `rows_before`."""
        values = _values(before, after)
        async with self._history.look() as connection:
            looked_at = (await connection.execute(_LOOKED_AT, values)).all()
            counted = await connection.execute(_COUNT_ARTIFACTS, {**values, "rows_before": rows_before})
            return Batch(len(looked_at), {"artifacts": counted.scalar_one()}, 0, _last(looked_at))

    async def artifacts(self, before: datetime, after: Ended | None = None) -> Batch:
        """Remove the artefacts, logs among them, of jobs that ended before `before`; their rows stay."""
        values = _values(before, after)
        async with self._history.begin() as connection:
            looked_at = (await connection.execute(_LOOKED_AT, values)).all()
            gone = (await connection.execute(_ARTIFACTS, values)).rowcount
        return Batch(len(looked_at), {"artifacts": gone}, 0, _last(looked_at))

    async def orphans(self, now: datetime, after: UUID | None = None, *, dry: bool = False) -> Swept:
        """Remove what belongs to no job's row and was not touched for a day, of the next UIDS_AT_ONCE after `after`."""
        async with self._history.look() if dry else self._history.begin() as connection:
            asked = {"after": after, "limit": UIDS_AT_ONCE}
            uids = list((await connection.execute(_UIDS, asked)).scalars())
            lost = await connection.execute(_ORPHANS, {"uids": uids, "before": now - OWNERLESS_FOR})
            orphans, take = list(lost.scalars()), _count if dry else _remove
            gone = {table: await take(connection, table, "job_uid", orphans) for table in _BY_UID}
        return Swept(len(uids), gone, uids[-1] if len(uids) == UIDS_AT_ONCE else None)


async def _remove(connection: AsyncConnection, table: str, column: str, ids: list[UUID]) -> int:
    if not ids:
        return 0
    return (await connection.execute(text(f"delete from {table} where {column} = any(:ids)"), {"ids": ids})).rowcount  # noqa: S608


async def _count(connection: AsyncConnection, table: str, column: str, ids: list[UUID]) -> int:
    if not ids:
        return 0
    counted = await connection.execute(text(f"select count(*) from {table} where {column} = any(:ids)"), {"ids": ids})  # noqa: S608
    return int(counted.scalar_one())


def _values(before: datetime, after: Ended | None) -> dict[str, Any]:
    at, job_id = (after.at, after.id) if after else (None, None)
    return {"before": before, "at": at, "id": job_id, "limit": JOBS_AT_ONCE}


def _last(looked_at: Any) -> Ended | None:
    if len(looked_at) < JOBS_AT_ONCE:
        return None
    return Ended(looked_at[-1].completed_at, looked_at[-1].id)

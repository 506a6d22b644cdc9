"""Dead letters: the jobs that ended Failed, in groups of one cause. Reads only, and only the tenant's own.

A group is what has one fingerprint. A job stays in it when its AnalysisJob is deleted, and when it is redriven; it
goes with its row.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from forge_core.fingerprints import normalised
from forge_core.history.database import History
from forge_core.resource import INVALID


@dataclass(frozen=True)
class Example:
    """The newest job of a group. `uid` is its AnalysisJob's, None when it never got one."""

    id: UUID
    uid: UUID | None
    namespace: str
    name: str
    message: str
    completed_at: datetime


@dataclass(frozen=True)
class Group:
    """`count` jobs that failed for one cause; `redriven` of them are done again by another job."""

    fingerprint: str
    queue: str
    kind: str
    failure_class: str
    reason: str
    stage: str
    message: str
    """Normalised: what all of them said."""
    count: int
    redriven: int
    first_seen: datetime
    last_seen: datetime
    example: Example


@dataclass(frozen=True)
class GroupPlace:
    """Where a page of groups ends. `as_of` is when the first page was read: what failed later is in none of them."""

    last_seen: datetime
    fingerprint: str
    as_of: datetime


@dataclass(frozen=True)
class DeadLetterFilter:
    """Which dead letters; None means any. `since` is of a group's newest failure, inclusive."""

    queue: str | None = None
    failure_class: str | None = None
    since: datetime | None = None


RETRIED: Final = f"""
    r.retry_of = j.id and r.tenant = j.tenant and r.phase <> 'Cancelled'
    and (r.submitted or r.phase <> 'Failed' or r.reason <> '{INVALID}')
"""
"""Whether `r` does `j` again: a retry that was cancelled, or a manifest that was refused, leaves it open."""
RETRIED_ORDER: Final = f"order by r.phase = 'Failed' and r.reason = '{INVALID}', r.created_at desc"
"""Which of several is named: manifests may do a job again beside the API."""

_GROUPS: Final = text(f"""
    with page as (
        select fingerprint, queue, count(*) as count, min(completed_at) as first_seen, max(completed_at) as last_seen
        from jobs
        where tenant = :tenant and phase = 'Failed' and fingerprint <> '' and completed_at <= :as_of
          and (cast(:queue as text) is null or queue = :queue)
          and (cast(:failure_class as text) is null or failure_class = :failure_class)
        group by queue, fingerprint
        having (cast(:since as timestamptz) is null or max(completed_at) >= :since)
          and (cast(:last_seen as timestamptz) is null
            or (max(completed_at), fingerprint) < (cast(:last_seen as timestamptz), cast(:after as text)))
        order by last_seen desc, fingerprint desc limit :limit
    )
    select page.*, e.kind, e.failure_class, e.reason, e.stage, e.id, e.uid, e.namespace, e.name, e.message,
        e.completed_at, c.redriven
    from page
    cross join lateral (
        select j.kind, j.failure_class, j.reason, j.stage, j.id, j.resource_uid as uid, j.namespace, j.name, j.message,
            j.completed_at
        from jobs j
        where j.tenant = :tenant and j.queue = page.queue and j.fingerprint = page.fingerprint and j.phase = 'Failed'
          and j.completed_at <= :as_of
        order by j.completed_at desc, j.id limit 1
    ) e
    cross join lateral (
        select count(*) as redriven from jobs j
        where j.tenant = :tenant and j.queue = page.queue and j.fingerprint = page.fingerprint and j.phase = 'Failed'
          and j.completed_at <= :as_of and exists (select from jobs r where {RETRIED})
    ) c
    order by page.last_seen desc, page.fingerprint desc
""")  # noqa: S608 - the texts are this module's own
_NOW: Final = text("select now()")
_GROUP_FIELDS: Final = tuple(name for name in Group.__dataclass_fields__ if name not in {"message", "example"})


class DeadLetters:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def groups(
        self, tenant: str, wanted: DeadLetterFilter, after: GroupPlace | None, limit: int
    ) -> tuple[list[Group], GroupPlace | None]:
        """At most `limit` groups, the one with the newest failure first, and where the next page begins (None: no)."""
        async with self._history.begin() as connection:
            as_of = after.as_of if after else (await connection.execute(_NOW)).scalar_one()
            place = {"last_seen": after and after.last_seen, "after": after and after.fingerprint, "as_of": as_of}
            asked = {**asdict(wanted), **place, "tenant": tenant, "limit": limit + 1}
            found = [_group(row) for row in (await connection.execute(_GROUPS, asked)).mappings()]
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], GroupPlace(last.last_seen, last.fingerprint, as_of)


def _group(row: Any) -> Group:
    example = Example(**{name: row[name] for name in Example.__dataclass_fields__})
    return Group(**{name: row[name] for name in _GROUP_FIELDS}, message=normalised(example.message), example=example)

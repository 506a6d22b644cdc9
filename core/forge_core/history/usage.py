"""Usage by tenant, queue and hour: what ended in an hour and what it took.

An hour is closed once it is over and never before. Whatever is aggregated again gives the same rows, and rows that are
the same are not written. Hours that nobody aggregated are filled, and a closed hour is aggregated again when an end in
it was recorded after it had been closed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from forge_core.history.database import History

HOURS_AT_ONCE: Final = 48
AGAIN: Final = timedelta(hours=3)
"""The newest closed hours are always aggregated again: it costs little and catches what no other rule foresees."""
LATE: Final = timedelta(days=8)
"""How far back ends are looked for that were recorded late; longer than PostgreSQL may be away without other harm."""
UNSEEN: Final = timedelta(minutes=5)
"""A transaction that began this long before an aggregation may not have been visible to it."""


@dataclass(frozen=True)
class Usage:
    """One tenant's use of one queue in the hour that began at `hour` (UTC)."""

    queue: str
    hour: datetime
    completed: int
    failed: int
    cancelled: int
    attempts: int
    run_seconds: float
    cpu_seconds: float
    memory_gib_seconds: float
    computed_at: datetime


@dataclass(frozen=True)
class Closing:
    """What one call of `Usages.close` did: hours aggregated, rows that became others, hours that are left."""

    hours: int
    changed: int
    left: int
    last: datetime | None


@dataclass(frozen=True)
class Wanted:
    """Hours that begin at or after `since` and before `until`; of every queue when `queue` is None."""

    since: datetime
    until: datetime
    queue: str | None = None


_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('forge-usage', 0))")
_WANTED = text("""
    with over as (select date_trunc('hour', cast(:now as timestamptz), 'UTC') - interval '1 hour' as last),
    gaps as (
        select generate_series(
            (select date_trunc('hour', least(
                (select min(completed_at) from jobs where recorded_at is not null), (select last from over)), 'UTC')),
            (select last from over), interval '1 hour') as hour
        except select hour from usage_hours
    ),
    late as (
        select distinct h.hour from usage_hours h
        join jobs j on j.completed_at >= h.hour and j.completed_at < h.hour + interval '1 hour'
        where j.recorded_at is not null and j.completed_at >= cast(:now as timestamptz) - cast(:late as interval)
          and j.recorded_at > h.computed_at - cast(:unseen as interval)
    ),
    again as (
        select hour from usage_hours where hour > (select last from over) - cast(:again as interval)
    )
    select hour from (select hour from gaps union select hour from late union select hour from again) wanted
    where hour <= (select last from over) and (cast(:after as timestamptz) is null or hour > :after)
    order by hour
""")
_SUMS = """
    select j.tenant, j.queue, h.hour,
        count(*) filter (where j.phase = 'Completed') as completed,
        count(*) filter (where j.phase = 'Failed') as failed,
        count(*) filter (where j.phase = 'Cancelled') as cancelled, coalesce(sum(j.attempts), 0) as attempts,
        coalesce(sum(r.seconds), 0) as run_seconds, coalesce(sum(r.seconds * j.cpu_millis / 1000.0), 0) as cpu_seconds,
        coalesce(sum(r.seconds * j.memory_mib / 1024.0), 0) as memory_gib_seconds
    from unnest(cast(:hours as timestamptz[])) as h(hour)
    join jobs j on j.completed_at >= h.hour and j.completed_at < h.hour + interval '1 hour'
    cross join lateral (
        select greatest(extract(epoch from j.completed_at - j.started_at), 0)::float8 as seconds) r
    where j.recorded_at is not null
    group by j.tenant, j.queue, h.hour
"""
_DIFFERENT = """
    (u.completed, u.failed, u.cancelled, u.attempts, u.run_seconds, u.cpu_seconds, u.memory_gib_seconds)
        is distinct from (n.completed, n.failed, n.cancelled, n.attempts, n.run_seconds, n.cpu_seconds,
            n.memory_gib_seconds)
"""
_AGGREGATE = text(f"""
    insert into usage as u (tenant, queue, hour, completed, failed, cancelled, attempts, run_seconds, cpu_seconds,
        memory_gib_seconds, computed_at)
    select n.*, now() from ({_SUMS}) n
    on conflict (tenant, queue, hour) do update set completed = excluded.completed, failed = excluded.failed,
        cancelled = excluded.cancelled, attempts = excluded.attempts, run_seconds = excluded.run_seconds,
        cpu_seconds = excluded.cpu_seconds, memory_gib_seconds = excluded.memory_gib_seconds,
        computed_at = excluded.computed_at
    where {_DIFFERENT.replace("n.", "excluded.")}
""")  # noqa: S608 - the texts are this module's own
_WOULD_CHANGE = text(f"""
    select count(*) from ({_SUMS}) n left join usage u using (tenant, queue, hour) where {_DIFFERENT}
""")  # noqa: S608
_CLOSED = text("""
    insert into usage_hours (hour, computed_at) select unnest(cast(:hours as timestamptz[])), now()
    on conflict (hour) do update set computed_at = excluded.computed_at
""")
_OF_TENANT = text("""
    select queue, hour, completed, failed, cancelled, attempts, run_seconds, cpu_seconds, memory_gib_seconds,
        computed_at
    from usage
    where tenant = :tenant and hour >= :since and hour < :until and (cast(:queue as text) is null or queue = :queue)
    order by hour, queue
""")
_CLOSED_UNTIL = text("select max(hour) + interval '1 hour' from usage_hours")


class Usages:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def close(self, now: datetime, after: datetime | None = None) -> Closing:
        """Aggregate the first hours after `after` that want it, at most HOURS_AT_ONCE; `last` goes on from there."""
        values = {"now": now, "after": after, "late": LATE, "unseen": UNSEEN, "again": AGAIN}
        async with self._history.begin() as connection:
            await connection.execute(_ONE_AT_A_TIME)
            wanted = list((await connection.execute(_WANTED, values)).scalars())
            hours = wanted[:HOURS_AT_ONCE]
            if not hours:
                return Closing(0, 0, 0, None)
            changed = await connection.execute(_AGGREGATE, {"hours": hours})
            await connection.execute(_CLOSED, {"hours": hours})
        return Closing(len(hours), changed.rowcount, len(wanted) - len(hours), hours[-1])

    async def would_close(self, now: datetime, after: datetime | None = None) -> Closing:
        """What `close` would do, told from a transaction that can only read."""
        values = {"now": now, "after": after, "late": LATE, "unseen": UNSEEN, "again": AGAIN}
        async with self._history.look() as connection:
            wanted = list((await connection.execute(_WANTED, values)).scalars())
            hours = wanted[:HOURS_AT_ONCE]
            changed = int((await connection.execute(_WOULD_CHANGE, {"hours": hours})).scalar_one())
        return Closing(len(hours), changed, len(wanted) - len(hours), hours[-1] if hours else None)

    async def of(self, tenant: str, wanted: Wanted) -> list[Usage]:
        """A tenant's usage, oldest first."""
        values = {"tenant": tenant, "since": wanted.since, "until": wanted.until, "queue": wanted.queue}
        async with self._history.begin() as connection:
            rows = await connection.execute(_OF_TENANT, values)
            return [Usage(**row) for row in rows.mappings()]

    async def closed_until(self) -> datetime | None:
        """The end of the newest hour that is closed; None before the first."""
        async with self._history.begin() as connection:
            found: datetime | None = (await connection.execute(_CLOSED_UNTIL)).scalar_one()
            return found

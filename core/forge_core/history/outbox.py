"""The outbox from its readers' side: what is not yet published, and what has been.

Whoever publishes reads without a lock, publishes, and then marks. Dying in between means publishing again, so readers
see an event at least once. The order within a job needs no lock either: a job's later event is answered only once its
earlier one is marked, which is after it was published; so of several publishers none can publish it first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from forge_core.history.database import History


class Channel(StrEnum):
    """Where a row of the outbox goes."""

    EVENTS = "events"
    """The tenant's Redis stream."""
    ALERTS = "alerts"
    """The installation's alert sink."""


@dataclass(frozen=True)
class Event:
    """An unpublished CloudEvent: `body` as it was written; `tries` failed so far."""

    id: UUID
    type: str
    body: dict[str, Any]
    tries: int = 0

    @property
    def payload(self) -> str:
        """Its JSON."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Backlog:
    """What a channel still has to publish; `age` in seconds, of the oldest. `given_up` isn't counted in `waiting`."""

    waiting: int
    age: float
    given_up: int = 0


_TENANTS: Final = text("""
    with recursive found as (
        (select tenant from outbox where channel = 'events' and published_at is null order by tenant limit 1)
        union all
        select (select o.tenant from outbox o
            where o.channel = 'events' and o.published_at is null and o.tenant > found.tenant
            order by o.tenant limit 1)
        from found where found.tenant is not null)
    select tenant from found where tenant is not null
""")
"""From tenant to tenant through the index: as cheap with a million waiting events as with one a tenant."""
_HEADS: Final = text("""
    select o.id, o.type, o.event as body from outbox o
    where o.channel = 'events' and o.tenant = :tenant and o.published_at is null
      and not exists (
        select from outbox e where e.job_id = o.job_id and e.channel = 'events' and e.published_at is null
          and e.position < o.position)
    order by o.position limit :most
""")
_PUBLISHED: Final = text("""
    update outbox set published_at = now() where id = any(:ids) and published_at is null returning id
""")
_CLAIM: Final = text("""
    update outbox o set next_try_at = now() + make_interval(secs => :seconds)
    from (
        select id from outbox
        where channel = 'alerts' and published_at is null and tries < :tries
          and (next_try_at is null or next_try_at <= now())
        order by tries, position limit :most for update skip locked) due
    where o.id = due.id returning o.id, o.type, o.event as body, o.tries
""")
_FAILED: Final = text("""
    update outbox set tries = tries + 1, next_try_at = now() + make_interval(secs => :seconds)
    where id = :id and published_at is null returning tries
""")
_BACKLOG: Final = text("""
    select channel, count(*) filter (where tries < :most) as waiting,
        count(*) filter (where tries >= :most) as given_up,
        cast(coalesce(extract(epoch from now() - min(created_at) filter (where tries < :most)), 0) as float8) as age
    from outbox where published_at is null group by channel
""")

MAX_TRIES: Final = 100
"""An alert that failed so often is given up; with the pauses between its tries that takes a day."""


class Outbox:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def tenants(self) -> list[str]:
        """The tenants that have unpublished events."""
        async with self._history.begin() as connection:
            return [tenant for (tenant,) in await connection.execute(_TENANTS)]

    async def heads(self, tenant: str, most: int) -> list[Event]:
        """Of each job of the tenant its first unpublished event, the oldest first, at most `most`."""
        async with self._history.begin() as connection:
            rows = await connection.execute(_HEADS, {"tenant": tenant, "most": most})
            return [Event(**row) for row in rows.mappings()]

    async def published(self, ids: Sequence[UUID]) -> int:
        """Mark rows as published; answers how many of them nobody had marked before."""
        async with self._history.begin() as connection:
            return len((await connection.execute(_PUBLISHED, {"ids": list(ids)})).all())

    async def claim_alerts(self, most: int, seconds: float) -> list[Event]:
        """Alerts that are due, those that never failed first; nobody else is given them for `seconds`."""
        async with self._history.begin() as connection:
            values = {"most": most, "seconds": seconds, "tries": MAX_TRIES}
            return [Event(**row) for row in (await connection.execute(_CLAIM, values)).mappings()]

    async def failed(self, alert: UUID, seconds: float) -> bool:
        """An alert was not taken: it is due again in `seconds`. Whether that was its last try."""
        async with self._history.begin() as connection:
            tries = (await connection.execute(_FAILED, {"id": alert, "seconds": seconds})).scalar_one_or_none()
            return tries is not None and tries >= MAX_TRIES

    async def backlog(self) -> dict[Channel, Backlog]:
        """What waits, by channel."""
        async with self._history.begin() as connection:
            rows = (await connection.execute(_BACKLOG, {"most": MAX_TRIES})).mappings().all()
        found = {row["channel"]: Backlog(row["waiting"], max(row["age"], 0.0), row["given_up"]) for row in rows}
        return {channel: found.get(channel, Backlog(0, 0.0)) for channel in Channel}

"""Deliveries of events to endpoints: each is a job of the queue `webhooks` (ADR 0017).

An event's deliveries are written in the transaction that marks the event as dispatched, under ids derived from event
and endpoint: however often and by however many it is tried, an endpoint gets one job for an event.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import RowMapping, Select, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.database import History
from forge_core.history.endpoints import COLUMNS, GONE, Endpoint, endpoint_of
from forge_core.history.models import AttemptRow, JobRow, WebhookDeliveryRow, WebhookEndpointRow
from forge_core.history.pages import Place, newest_first, page_of
from forge_core.history.submissions import Submission, write_submission
from forge_core.phase import Phase
from forge_core.webhooks import MAX_PAYLOAD, WEBHOOKS, listens

PRIORITY: Final = 1


@dataclass(frozen=True)
class Message:
    """What is delivered: `payload` to the byte, and `id` in each delivery of it."""

    id: str
    type: str
    payload: str


@dataclass(frozen=True)
class Attempt:
    """One call. `account` is what forge_kinds.webhooks tells of it; empty when it was never made or is under way."""

    number: int
    claimed_at: datetime
    ended_at: datetime | None
    message: str
    account: dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """One delivery and its calls so far, the first one first."""

    id: UUID
    message_id: str
    event_type: str
    phase: Phase
    message: str
    created_at: datetime
    completed_at: datetime | None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Dispatched:
    """How many events were looked at, and the jobs that were written for them."""

    events: int
    jobs: tuple[UUID, ...]


_DUE: Final = text("""
    select id, tenant, type, event as body from outbox
    where channel = 'events' and dispatched_at is null order by position limit :most for update skip locked
""")
_MARK: Final = text("update outbox set dispatched_at = now() where id = any(:ids)")
_SETTLE: Final = text("""
    with seen as (
        select d.id, d.endpoint_id, j.phase in ('Completed', 'Failed', 'Cancelled') as ended, exists (
            select from attempts a where a.job_uid = j.resource_uid and a.claimed_at >= e.enabled_at
              and a.summary -> 'response' ->> 'status' = '410') as gone
        from webhook_deliveries d join jobs j on j.id = d.id join webhook_endpoints e on e.id = d.endpoint_id
        where d.settled_at is null for update of d skip locked),
    settled as (
        update webhook_deliveries d set settled_at = now() from seen where d.id = seen.id and (seen.ended or seen.gone))
    update webhook_endpoints e set enabled = false, disabled_because = :gone
    where e.enabled and e.id in (select endpoint_id from seen where seen.gone) returning e.id
""")
"""In one statement: it sees one moment, so a job that it sees ended has told it of all its attempts."""


def compact(body: dict[str, Any]) -> str:
    """An event as the JSON that is delivered."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def job_for(endpoint: Endpoint, message: Message, job_id: UUID, user: str, now: datetime) -> Submission:
    """The job that delivers a message. Its manifest names the Secret, and holds neither it nor the URL."""
    spec = {
        "queue": WEBHOOKS,
        "priority": PRIORITY,
        "requestedBy": user,
        "secretRef": {"name": endpoint.secret},
        "config": {"messageId": message.id, "payload": message.payload},
    }
    return Submission(job_id, endpoint.tenant, endpoint.namespace, spec, now, kind=WEBHOOKS)


class Deliveries:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def dispatch(self, most: int, now: datetime) -> Dispatched:
        """Write the jobs of at most `most` events that nobody has dispatched yet, the oldest first."""
        async with self._history.begin() as connection:
            events = (await connection.execute(_DUE, {"most": most})).mappings().all()
            if not events:
                return Dispatched(0, ())
            listening = await _enabled(connection, {event["tenant"] for event in events})
            made = [
                job_id
                for event in events
                for endpoint in listening
                if endpoint.tenant == event["tenant"] and listens(endpoint.events, event["type"])
                for job_id in await _write(connection, endpoint, event, now)
            ]
            await connection.execute(_MARK, {"ids": [event["id"] for event in events]})
            return Dispatched(len(events), tuple(made))

    async def add(self, endpoint: Endpoint, message: Message, job: Submission) -> None:
        """Write a delivery that somebody asked for, and its job."""
        async with self._history.begin() as connection:
            await _add(connection, endpoint, message, job)

    async def settle(self) -> list[UUID]:
        """Disable the endpoints that a delivery found gone (410); which these were."""
        async with self._history.begin() as connection:
            return list((await connection.execute(_SETTLE, {"gone": GONE})).scalars())

    async def message(self, endpoint: Endpoint, delivery_id: UUID) -> Message | None:
        """What one of the endpoint's deliveries delivers, None when it has no such one."""
        asked = (
            select(WebhookDeliveryRow.message_id, WebhookDeliveryRow.event_type, JobRow.spec)
            .join(JobRow, JobRow.id == WebhookDeliveryRow.id)
            .where(WebhookDeliveryRow.id == delivery_id, WebhookDeliveryRow.endpoint_id == endpoint.id)
        )
        async with self._history.begin() as connection:
            row = (await connection.execute(asked)).mappings().first()
            return Message(row["message_id"], row["event_type"], row["spec"]["config"]["payload"]) if row else None

    async def page(self, endpoint: Endpoint, after: Place | None, limit: int) -> tuple[list[Delivery], Place | None]:
        """At most `limit` deliveries of an endpoint, newest first, and where the next page begins (None: no)."""
        asked: Select[Any] = (
            select(*_DELIVERY)
            .join(JobRow, JobRow.id == WebhookDeliveryRow.id)
            .where(WebhookDeliveryRow.endpoint_id == endpoint.id)
        )
        asked = newest_first(asked, WebhookDeliveryRow, after).limit(limit + 1)
        async with self._history.begin() as connection:
            rows = (await connection.execute(asked)).mappings().all()
            attempts = await _attempts(connection, [row["resource_uid"] for row in rows if row["resource_uid"]])
        return page_of([_delivery(row, attempts.get(row["resource_uid"], ())) for row in rows], limit)


_DELIVERY: Final[tuple[Any, ...]] = (
    WebhookDeliveryRow.id,
    WebhookDeliveryRow.message_id,
    WebhookDeliveryRow.event_type,
    WebhookDeliveryRow.created_at,
    JobRow.phase,
    JobRow.message,
    JobRow.completed_at,
    JobRow.resource_uid,
)


async def _enabled(connection: AsyncConnection, tenants: Iterable[str]) -> list[Endpoint]:
    asked = select(*COLUMNS).where(WebhookEndpointRow.tenant.in_(list(tenants)), WebhookEndpointRow.enabled)
    return [endpoint_of(row) for row in (await connection.execute(asked)).mappings()]


async def _write(connection: AsyncConnection, endpoint: Endpoint, event: RowMapping, now: datetime) -> list[UUID]:
    """The id of the job that was written, none when it was there already or the event is too large to be sent."""
    message = Message(str(event["id"]), event["type"], compact(event["body"]))
    if len(message.payload) > MAX_PAYLOAD:
        return []
    job = job_for(endpoint, message, uuid5(event["id"], str(endpoint.id)), "", now)
    return [job.id] if await _add(connection, endpoint, message, job) else []


async def _add(connection: AsyncConnection, endpoint: Endpoint, message: Message, job: Submission) -> bool:
    if not await write_submission(connection, job):
        return False
    values = {"id": job.id, "endpoint_id": endpoint.id, "message_id": message.id, "event_type": message.type}
    await connection.execute(insert(WebhookDeliveryRow).values(**values, created_at=job.created_at))
    return True


async def _attempts(connection: AsyncConnection, uids: Sequence[UUID]) -> dict[UUID, tuple[Attempt, ...]]:
    row = AttemptRow
    asked = select(row.job_uid, row.number, row.claimed_at, row.ended_at, row.message, row.summary)
    asked = asked.where(row.job_uid.in_(list(uids))).order_by(row.job_uid, row.number)
    found: dict[UUID, tuple[Attempt, ...]] = {}
    for told in (await connection.execute(asked)).mappings() if uids else ():
        one = Attempt(told["number"], told["claimed_at"], told["ended_at"], told["message"], told["summary"] or {})
        found[told["job_uid"]] = (*found.get(told["job_uid"], ()), one)
    return found


def _delivery(row: RowMapping, attempts: tuple[Attempt, ...]) -> Delivery:
    given = {name: value for name, value in row.items() if name not in {"phase", "resource_uid"}}
    return Delivery(**given, phase=Phase(row["phase"]), attempts=attempts)

"""Submissions that a client may repeat: under one key of its own a tenant's user makes one job, however often it asks.

The key is in the job's row, and those who come with the same one at once take turns. It holds for KEPT; whoever comes
later takes it from the older row. A job that was taken back, for the cluster refused it, takes its key with it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEPT: Final = timedelta(hours=24)


class OtherRequest(Exception):
    """The key was used before, for something else."""


class Outstanding(Exception):
    """The first request under the key is still at work; what becomes of it isn't known."""


@dataclass(frozen=True)
class Once:
    """A client's `key`, and the digest of all that it asked for."""

    key: str
    digest: str


@dataclass(frozen=True)
class Whose:
    """Keys of one tenant's user are no other's."""

    tenant: str
    user: str


_SAME: Final = "tenant = :tenant and requested_by = :user and idempotency_key = :key"
_IN_TURN = text("select pg_advisory_xact_lock(hashtextextended(:whose, 0))")
_EARLIER = text(f"select id, request_digest, created_at, resource_uid from jobs where {_SAME}")  # noqa: S608 - its own text
_RELEASE = text("update jobs set idempotency_key = null where id = :id")
_MARK = text("update jobs set idempotency_key = :key, request_digest = :digest where id = :id")
_AT_REST = text("select id from jobs where id = :id for update skip locked")


async def earlier(connection: AsyncConnection, whose: Whose, now: datetime, once: Once) -> UUID | None:
    """The job that was accepted before under that key; None for a key that is free, and stays so for this transaction.

    Raises OtherRequest, Outstanding.
    """
    values = {"tenant": whose.tenant, "user": whose.user, "key": once.key}
    await connection.execute(_IN_TURN, {"whose": "\n".join(("forge-once", *values.values()))})
    found = (await connection.execute(_EARLIER, values)).first()
    if found is None:
        return None
    if found.created_at <= now - KEPT:
        await connection.execute(_RELEASE, {"id": found.id})
        return None
    if found.request_digest != once.digest:
        raise OtherRequest
    if found.resource_uid is None and (await connection.execute(_AT_REST, {"id": found.id})).first() is None:
        raise Outstanding  # its row is locked while it is sent; the cluster may refuse it yet
    return UUID(str(found.id))


async def mark(connection: AsyncConnection, job_id: UUID, once: Once) -> None:
    """The key is that job's from now on."""
    await connection.execute(_MARK, {"id": job_id, "key": once.key, "digest": once.digest})

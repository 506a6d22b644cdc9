"""What jobs of a repository keep for its next jobs: bytes by name, of one tenant, namespace and repository.

Whose they are is read from the asking job's own row, so that a runner can't ask for anything else, nor leave anything
elsewhere. Losing one costs time and nothing more.
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.attempts import StoredArtifact
from forge_core.history.baselines import NotRecorded
from forge_core.history.database import History
from forge_core.history.queries import StoredFile

NAMES: Final = 4
"""Of one repository; the one that was not used for longest makes room."""
GONE_AT_ONCE: Final = 200
_NOTED: Final = timedelta(hours=6)
"""A use is noted so much later than the one before, at least: reading shall not mean writing."""

_ASKING = text("""
    select tenant, namespace, spec->'repository'->>'url' as url from jobs where resource_uid = :job_uid
""")
_OF: Final = "tenant = :tenant and namespace = :namespace and repository = :repository"
_GET = text(f"select content_type, size, sha256, body, used_at from caches where {_OF} and name = :name")  # noqa: S608
_USED = text(f"update caches set used_at = :now where {_OF} and name = :name and used_at < :now")  # noqa: S608
_PUT = text("""
    insert into caches (tenant, namespace, repository, name, content_type, size, sha256, body, stored_at, used_at)
    values (:tenant, :namespace, :repository, :name, :content_type, :size, :sha256, :body, :now, :now)
    on conflict (tenant, namespace, repository, name) do update set content_type = excluded.content_type,
        size = excluded.size, sha256 = excluded.sha256, body = excluded.body, stored_at = excluded.stored_at,
        used_at = excluded.used_at
""")
_CROWDED_OUT = text(f"""
    delete from caches where {_OF} and name in
        (select name from caches where {_OF} order by used_at desc, name offset :names)
""")  # noqa: S608 - the texts are this module's own
_UNUSED = "select tenant, namespace, repository, name from caches where used_at < :before"
_GOES = text(f"""
    delete from caches where (tenant, namespace, repository, name) in ({_UNUSED} order by used_at limit :limit)
""")  # noqa: S608
_LEFT = text(f"select count(*) from ({_UNUSED}) u")  # noqa: S608


class NoRepository(Exception):
    """The asking job is about none."""


@dataclass(frozen=True)
class Caches:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    history: History

    async def get(self, job_uid: UUID, name: str, now: datetime) -> tuple[StoredFile, bytes] | None:
        """What is kept under the name for the job's repository, and its body as stored. Raises NotRecorded.

        That it was used is noted.
        """
        async with self.history.begin() as connection:
            try:
                place = {**await _place(connection, job_uid), "name": name}
            except NoRepository:
                return None
            row = (await connection.execute(_GET, place)).first()
            if row is None:
                return None
            if row.used_at < now - _NOTED:
                await connection.execute(_USED, {**place, "now": now})
        return StoredFile(0, name, row.content_type, row.size, row.sha256, gzipped=True), row.body

    async def put(self, job_uid: UUID, cache: StoredArtifact, now: datetime) -> None:
        """Keep it in place of what was there under its name. Raises NotRecorded, NoRepository."""
        async with self.history.begin() as connection:
            place = await _place(connection, job_uid)
            await connection.execute(_PUT, {**place, **asdict(cache), "now": now})
            await connection.execute(_CROWDED_OUT, {**place, "names": NAMES})

    async def purge(self, before: datetime) -> int:
        """Remove those that nobody used since `before`, at most GONE_AT_ONCE; how many went."""
        async with self.history.begin() as connection:
            return (await connection.execute(_GOES, {"before": before, "limit": GONE_AT_ONCE})).rowcount

    async def unused_since(self, before: datetime) -> int:
        """How many `purge` would still remove, told from a transaction that can only read."""
        async with self.history.look() as connection:
            return int((await connection.execute(_LEFT, {"before": before})).scalar_one())


async def _place(connection: AsyncConnection, job_uid: UUID) -> dict[str, Any]:
    row = (await connection.execute(_ASKING, {"job_uid": job_uid})).first()
    if row is None:
        raise NotRecorded
    if not row.url:
        raise NoRepository
    # Its digest: a URL may be longer than an index takes.
    return {
        "tenant": row.tenant,
        "namespace": row.namespace,
        "repository": hashlib.sha256(row.url.encode()).hexdigest(),
    }

"""Fingerprints of recorded failures: written in the transaction that records the end, filled in where a row lacks one.

Rows lack one that a release wrote which knew of none; they turn up until its last process is gone.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.fingerprints import Cause, fingerprint
from forge_core.history.database import History

BATCH: Final = 500

_CAUSES: Final = text("select id, message, failure_class, queue, kind, stage, reason from jobs where id = any(:ids)")
_WRITE: Final = text("""
    update jobs j set fingerprint = f.fingerprint
    from unnest(cast(:ids as uuid[]), cast(:fingerprints as text[])) as f(id, fingerprint) where j.id = f.id
""")
_LACKING: Final = text("""
    select id from jobs where phase = 'Failed' and fingerprint = '' and recorded_at is not null
    order by completed_at desc limit :limit for update skip locked
""")


async def write_fingerprints(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Of failed jobs whose end the same transaction has written."""
    if not ids:
        return
    rows = (await connection.execute(_CAUSES, {"ids": list(ids)})).mappings().all()
    told = {row["id"]: fingerprint(Cause(**{key: row[key] for key in Cause.__dataclass_fields__})) for row in rows}
    await connection.execute(_WRITE, {"ids": list(told), "fingerprints": list(told.values())})


async def fill_in(history: History) -> int:
    """Fingerprint failed jobs that lack it, the newest first, at most BATCH; answers how many. HistoryUnavailable."""
    async with history.begin() as connection:
        ids = (await connection.execute(_LACKING, {"limit": BATCH})).scalars().all()
        await write_fingerprints(connection, ids)
        return len(ids)

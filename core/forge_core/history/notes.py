"""What a job's flight recorder keeps of its own: each thing once per (job, what, key), a bounded number a job.

Whoever sees a thing first writes it down, as often as it likes: the second time has no effect. What other tables tell
already (the job's row, attempts, refunds, artefacts, the outbox) is never written here; `timeline` reads it there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.history.database import History, storable, storable_json

MAX_NOTES: Final = 500
"""Kept of one job; what a hostile pod or a forged one brings beyond it is left out."""
MAX_KEY: Final = 128
MAX_ROW_BYTES: Final = 8 * 1024
MAX_TIMES: Final = 1000
"""Refusals of one pod that are counted; more are as many as this."""


class What(StrEnum):
    """What may happen to a job, in the order in which it does when two things bear the same time."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    GATE_TOLD = "gate-told"
    """Stored only: since when the job's status has named a gate. Shown as `held` until the gate's total is known."""
    HELD = "held"
    ADMITTED = "admitted"
    JOB_CREATED = "job-created"
    POD_SCHEDULED = "pod-scheduled"
    POD_TROUBLED = "pod-troubled"
    IMAGE_PULLED = "image-pulled"
    POD_STARTED = "pod-started"
    ATTEMPT_CLAIMED = "attempt-claimed"
    STAGE = "stage"
    STAGES = "stages"
    """Stored only: all the stages of an attempt, as its runner told them with its outcome."""
    UPLOADED = "uploaded"
    ATTEMPT_SUCCEEDED = "attempt-succeeded"
    ATTEMPT_FAILED = "attempt-failed"
    BACKOFF = "backoff"
    SLA_BREACHED = "sla-breached"
    CANCEL_ASKED = "cancel-asked"
    CANCELLING = "cancelling"
    POD_ENDED = "pod-ended"
    REFUNDED = "refunded"
    ENDED = "ended"
    CLAIM_REFUSED = "claim-refused"
    UPLOAD_REFUSED = "upload-refused"
    RECORDED = "recorded"
    DELIVERED = "delivered"
    REMOVED = "removed"
    DROPPED = "dropped"
    """Notes were lost while PostgreSQL was away for long: `count` says how many."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened. `job_uid` is the AnalysisJob's; `detail` is small JSON, `pod` in it a pod's name."""

    job_uid: UUID
    at: datetime
    what: What
    key: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


_WRITE = text("""
    insert into timeline (job_uid, at, what, key, detail)
    select r.job_uid, r.at, r.what, r.key, r.detail
    from jsonb_to_recordset(cast(:notes as jsonb)) as r(
        job_uid uuid, at timestamptz, what text, key text, detail jsonb)
    where (select count(*) from timeline t where t.job_uid = r.job_uid) < :most
    on conflict (job_uid, what, key) do nothing
""")
_REFUSED = text("""
    insert into timeline (job_uid, at, what, key, detail)
    select :job_uid, :at, :what, :key, cast(:detail as jsonb)
    where (select count(*) from timeline t where t.job_uid = :job_uid) < :most
    on conflict (job_uid, what, key) do update set detail = timeline.detail
        || jsonb_build_object('times', cast(timeline.detail->>'times' as int) + 1, 'last', cast(:last as text))
    where cast(timeline.detail->>'times' as int) < :times
""")
_JOB_OF_POD = text("select job_uid, pod_name from attempts where pod_uid = :pod_uid limit 1")


async def write_notes(connection: AsyncConnection, notes: Sequence[Note]) -> None:
    """Write notes down within a transaction; those that are there already, or one too many, are left as they are."""
    if notes:
        await connection.execute(_WRITE, {"notes": f"[{','.join(map(_row, notes))}]", "most": MAX_NOTES})


@dataclass(frozen=True)
class Refusal:
    """A call of a runner that was refused because it came too late; `sent` is an artefact's name, or `outcome`."""

    pod_uid: UUID
    pod_name: str
    attempt: int
    sent: str
    why: str
    what: What = What.UPLOAD_REFUSED


class Notes:
    """The API's pen. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def write(self, notes: Sequence[Note]) -> None:
        """Write notes down."""
        async with self._history.begin() as connection:
            await write_notes(connection, notes)

    async def refused(self, job_uid: UUID, refusal: Refusal, now: datetime) -> None:
        """One line a pod, which counts: a pod that goes on for ever fills nothing."""
        told = {
            "pod": refusal.pod_name,
            "attempt": refusal.attempt,
            "sent": refusal.sent[:63],
            "why": refusal.why[:200],
            "times": 1,
        }
        values = {
            "job_uid": job_uid,
            "at": now,
            "what": refusal.what.value,
            "key": str(refusal.pod_uid),
            "detail": storable_json(told),
            "last": now.isoformat(),
            "most": MAX_NOTES,
            "times": MAX_TIMES,
        }
        async with self._history.begin() as connection:
            await connection.execute(_REFUSED, values)

    async def job_of_pod(self, pod_uid: UUID) -> tuple[UUID, str] | None:
        """The AnalysisJob for which a pod once claimed an attempt, and the pod's name; also when both are gone."""
        async with self._history.begin() as connection:
            row = (await connection.execute(_JOB_OF_POD, {"pod_uid": pod_uid})).first()
            return (row.job_uid, row.pod_name) if row is not None else None


def _row(note: Note) -> str:
    row = {
        "job_uid": str(note.job_uid),
        "at": note.at.isoformat(),
        "what": note.what.value,
        "key": storable(note.key)[:MAX_KEY],
        "detail": storable(note.detail),
    }
    written = json.dumps(row)
    return written if len(written) <= MAX_ROW_BYTES else json.dumps({**row, "detail": {"cut": True}})

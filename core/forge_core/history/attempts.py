"""Attempts and what they store: one budget a job, one owner at a time, one outcome an attempt.

Everything about one job happens under one lock, so two pods can't draw the same attempt. Only the pod that claimed a
job's newest attempt may write, and only while the job isn't over: anything else raises `Fenced`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from forge_core.attempts import MAX_ARTIFACTS, ArtifactReference, Outcome
from forge_core.history.database import History, storable, storable_json
from forge_core.history.notes import Note, What, write_notes
from forge_core.history.record_statements import LOCK_JOB

WITHOUT_A_WORD: Final = "The runner ended without a word: it was killed, or its node was lost."
"""Until the operator tells what it saw of the pod (Records.pods_ended): the successor may come before its word."""
UNSAVED: Final = "How this attempt ended could not be stored in time; its pod went on to the next one."


class Fenced(Exception):
    """The caller is not, or no longer, the one who may write; the message says why."""


class Incomplete(ValueError):
    """An outcome that names artefacts which were not stored; the message names them."""


@dataclass(frozen=True)
class Draw:
    """A pod's claim. `budget` is the job's whole number of attempts, first ones included."""

    job_uid: UUID
    pod_uid: UUID
    pod_name: str
    number_in_pod: int
    budget: int


@dataclass(frozen=True)
class EarlierPod:
    """A pod whose attempts are charged."""

    uid: UUID
    name: str


@dataclass(frozen=True)
class Exhausted:
    """The budget is spent: on whose attempts, and what the last of them said."""

    pods: tuple[EarlierPod, ...]
    last_message: str


@dataclass(frozen=True)
class Succeeded:
    """The job's work is done and stored, by this attempt: its pod was lost before the cluster knew of its end."""

    attempt: int


@dataclass(frozen=True)
class Owner:
    """Who wants to write: the attempt's number in the job, and the pod that says it claimed it."""

    job_uid: UUID
    attempt: int
    pod_uid: UUID


@dataclass(frozen=True)
class StoredArtifact:
    """An artefact with its gzip-compressed body; size and sha256 (hex) are those of the bytes before compression."""

    name: str
    content_type: str
    size: int
    sha256: str
    body: bytes


_PHASE = text("select phase from jobs where resource_uid = :job_uid")
_REPEATED = text("select job_uid, number from attempts where pod_uid = :pod_uid and number_in_pod = :number_in_pod")
_EARLIER = text("""
    select a.number, a.pod_uid, a.pod_name, a.outcome, a.message,
        a.refunded or (a.outcome <> 'succeeded' and (a.stage = '' or a.failure_class = 'disruption')
            and exists (select from refunds r where r.pod_uid = a.pod_uid)) as refunded
    from attempts a where a.job_uid = :job_uid order by a.number
""")
_SUPERSEDE = text("""
    update attempts set outcome = 'failed', ended_at = :now, failure_class = 'transient',
        message = case when pod_uid = :pod_uid then :unsaved else :without_a_word end
    where job_uid = :job_uid and outcome = ''
""")
_CLAIM = text("""
    insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at,
        outcome, failure_class, message, stage, refunded)
    values (:job_uid, :number, :pod_uid, :pod_name, :number_in_pod, :now, '', '', '', '', false)
""")
_OWNED = text("""
    select a.pod_uid, a.outcome, (select max(number) from attempts where job_uid = :job_uid) as newest
    from attempts a where a.job_uid = :job_uid and a.number = :attempt
""")
_ARTIFACTS = text("select name, sha256, size from artifacts where job_uid = :job_uid and attempt = :attempt")
_STORE = text("""
    insert into artifacts (job_uid, attempt, name, content_type, size, sha256, gzipped, body, stored_at)
    values (:job_uid, :attempt, :name, :content_type, :size, :sha256, true, :body, :now)
    on conflict (job_uid, attempt, name) do update set content_type = excluded.content_type, size = excluded.size,
        sha256 = excluded.sha256, gzipped = true, body = excluded.body, stored_at = excluded.stored_at
""")
_FINISH = text("""
    update attempts set outcome = :outcome, ended_at = :now, failure_class = :failure_class, message = :message,
        stage = :stage, summary = cast(:summary as jsonb)
    where job_uid = :job_uid and number = :attempt
""")
_JOB_SUMMARY = text("update jobs set summary = cast(:summary as jsonb) where resource_uid = :job_uid")
_OVER: Final = frozenset({"Cancelling", "Cancelled", "Completed", "Failed"})
_ENDED: Final = frozenset({"Cancelled", "Completed", "Failed"})


class Attempts:
    """The runners' side of the history. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def claim(self, draw: Draw, now: datetime) -> int | Exhausted | Succeeded:
        """The attempt's number in the whole job; the same pod and number_in_pod get the same answer again.

        Once an attempt has succeeded there is nothing left to claim, and no budget to spend.

        Raises Fenced when the job is over or being cancelled, or another pod has claimed since this one did.
        """
        values = {key: value for key, value in asdict(draw).items() if key != "budget"}
        async with self._history.begin() as connection:
            await connection.execute(LOCK_JOB, values)
            repeated = (await connection.execute(_REPEATED, values)).first()
            if repeated is not None:
                if repeated.job_uid != draw.job_uid:
                    raise Fenced("this pod has claimed for another job")
                return int(repeated.number)
            await _refuse_when(connection, draw.job_uid, _OVER)
            earlier = (await connection.execute(_EARLIER, values)).mappings().all()
            if succeeded := [row["number"] for row in earlier if row["outcome"] == "succeeded"]:
                return Succeeded(int(succeeded[-1]))
            _refuse_superseded(earlier, draw.pod_uid)
            charged = [row for row in earlier if not row["refunded"]]
            if len(charged) >= draw.budget:
                return _exhausted(charged)
            number = max((row["number"] for row in earlier), default=0) + 1
            words = {"unsaved": UNSAVED, "without_a_word": WITHOUT_A_WORD}
            await connection.execute(_SUPERSEDE, {**values, **words, "now": now})
            await connection.execute(_CLAIM, {**values, "number": number, "now": now})
            return number

    async def check(self, owner: Owner) -> None:
        """Raises Fenced unless `owner` may write; asked before an upload's bytes are read."""
        async with self._history.begin() as connection:
            await _own(connection, owner)

    async def store(self, owner: Owner, artifact: StoredArtifact, now: datetime) -> None:
        """Store one artefact whole, replacing what this attempt stored under that name. Raises Fenced, Incomplete."""
        async with self._history.begin() as connection:
            await connection.execute(LOCK_JOB, asdict(owner))
            ended = await _own(connection, owner)
            held = {row.name: row for row in await connection.execute(_ARTIFACTS, asdict(owner))}
            same = held.get(artifact.name)
            if same is not None and same.sha256 == artifact.sha256:
                return
            if ended:
                raise Fenced("the attempt's outcome is stored; its artefacts are final")
            if same is None and len(held) >= MAX_ARTIFACTS:
                raise Incomplete(f"an attempt may store at most {MAX_ARTIFACTS} artefacts")
            await connection.execute(_STORE, {**asdict(owner), **asdict(artifact), "now": now})

    async def finish(self, owner: Owner, outcome: Outcome, now: datetime) -> None:
        """Store how the attempt ended; the first outcome counts, the same one again is nothing new.

        Raises Fenced, and Incomplete when an artefact that it names isn't there with its digest and size.
        """
        try:
            summary = storable_json(outcome.summary)
        except ValueError as error:
            raise Incomplete(f"summary {error}") from None
        values = {
            **asdict(owner),
            "outcome": outcome.status,
            "now": now,
            "failure_class": outcome.failure_class.value if outcome.failure_class else "",
            "message": storable(outcome.message),
            "stage": storable(outcome.stage),
            "summary": summary if outcome.summary else None,
        }
        async with self._history.begin() as connection:
            await connection.execute(LOCK_JOB, values)
            row = (await connection.execute(_OWNED, values)).first()
            if row is not None and row.pod_uid == owner.pod_uid and row.outcome == outcome.status:
                return
            if await _own(connection, owner):
                raise Fenced("another outcome of this attempt is stored")
            if outcome.status == "succeeded":  # how it failed may still be told while the job is being cancelled
                await _refuse_when(connection, owner.job_uid, _OVER)
            await _all_stored(connection, owner, outcome.artifacts)
            await connection.execute(_FINISH, values)
            await write_notes(connection, _stages(owner, outcome, now))
            if outcome.status == "succeeded" and outcome.summary:
                await connection.execute(_JOB_SUMMARY, values)


async def _own(connection: AsyncConnection, owner: Owner) -> bool:
    """Whether the owner's attempt has ended. Raises Fenced when it isn't the owner, or may not write any more."""
    row = (await connection.execute(_OWNED, asdict(owner))).first()
    if row is None or row.pod_uid != owner.pod_uid:
        raise Fenced("this pod has not claimed that attempt")
    if row.newest != owner.attempt:
        raise Fenced(f"attempt {row.newest} has been claimed since")
    await _refuse_when(connection, owner.job_uid, _ENDED)
    return bool(row.outcome)


async def _refuse_when(connection: AsyncConnection, job_uid: UUID, phases: frozenset[str]) -> None:
    phase = (await connection.execute(_PHASE, {"job_uid": job_uid})).scalar_one_or_none()
    if phase in phases:
        raise Fenced(f"the job is {phase.lower()}")


def _stages(owner: Owner, outcome: Outcome, now: datetime) -> list[Note]:
    told = [[storable(began.stage), began.at.isoformat()] for began in outcome.stages]
    return [Note(owner.job_uid, now, What.STAGES, str(owner.attempt), {"stages": told})] if told else []


def _refuse_superseded(earlier: Sequence[RowMapping], pod_uid: UUID) -> None:
    """A pod that claimed once and was then superseded was given up; it must not take the job back."""
    if earlier and earlier[-1]["pod_uid"] != pod_uid and any(row["pod_uid"] == pod_uid for row in earlier):
        raise Fenced("another pod has claimed an attempt since")


def _exhausted(charged: Sequence[RowMapping]) -> Exhausted:
    pods = {row["pod_uid"]: EarlierPod(row["pod_uid"], row["pod_name"]) for row in charged}
    last = charged[-1]
    return Exhausted(tuple(pods.values()), last["message"] or WITHOUT_A_WORD)


async def _all_stored(connection: AsyncConnection, owner: Owner, named: Sequence[ArtifactReference]) -> None:
    held = {(row.name, row.sha256, row.size) for row in await connection.execute(_ARTIFACTS, asdict(owner))}
    missing = [item.name for item in named if (item.name, item.sha256, item.size) not in held]
    if missing:
        raise Incomplete(f"not stored with that digest and size: {', '.join(missing)}")

"""The flight recorder: what the picture sees of a job and no table tells, as notes for the history.

A note is made when a fact appears, so the steady state costs a few comparisons. Notes wait in bounded memory until
PostgreSQL has them: when there is no room the oldest goes, and the timeline of its job says how many it lacks.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from forge_core import logs
from forge_core.history.cancellation import KUBERNETES
from forge_core.history.notes import Note, What
from forge_core.phase import Phase
from forge_operator.admission.admitting import Admission
from forge_operator.digests import AnalysisJobDigest, AnyDigest, JobDigest, Kind, PodDigest, PullDigest
from forge_operator.held import Change
from forge_operator.picture import Picture
from forge_operator.reasons import ConditionType
from forge_operator.record.gates import Gates

MAX_WAITING: Final = 50_000
"""Notes in memory; about 400 bytes each."""
MAX_EARLY: Final = 5_000
"""Image pulls heard of before their pods: at the start the lists come in no order."""
MAX_WORDS: Final = 300
RECENT_SECONDS: Final = 5.0
SETTLED_SECONDS: Final = 600.0
"""What a job's pods went through that ended longer ago was written by the operator before."""

STANDBY_SECONDS: Final = 120.0
"""Without the Lease: what is older was written by its holder."""

_Key = tuple[UUID, What, str]


class Flight:
    """`heard` each change and `saw` each decision; `take` what is to be written and say `written` once it is."""

    def __init__(self, picture: Picture, leads: Callable[[], bool], most: int = MAX_WAITING) -> None:
        self._picture = picture
        self._leads = leads
        self._most = most
        self._gates = Gates()
        self._waiting: dict[_Key, tuple[Note, float]] = {}
        self._lost: Counter[UUID] = Counter()
        self._owners: dict[str, str] = {}
        self._early: dict[str, PullDigest] = {}
        self._listed = False
        self.dropped = 0
        """Notes that no room was left for, ever."""

    # --- what is to be written ---

    @property
    def waiting(self) -> int:
        """Notes that PostgreSQL doesn't have yet."""
        return len(self._waiting) + len(self._lost)

    def take(self, most: int) -> list[Note]:
        """The oldest notes, at most so many; they stay until they are `written`."""
        notes = [note for note, _ in islice(self._waiting.values(), most)]
        now = datetime.now(UTC)
        for uid, count in list(self._lost.items())[: most - len(notes)]:
            notes.append(Note(uid, now, What.DROPPED, now.isoformat(), {"count": count}))
        return notes

    def written(self, notes: Sequence[Note]) -> None:
        """The history has these, or can't hold them."""
        for note in notes:
            if note.what is What.DROPPED:
                self._lost[note.job_uid] -= note.detail["count"]
                self._lost += Counter()  # what is at zero goes
            else:
                self._waiting.pop((note.job_uid, note.what, note.key), None)

    def _note(self, uid: str, note: tuple[datetime, What, str], detail: dict[str, Any]) -> None:
        at, what, key = note
        try:
            job = UUID(uid)
        except ValueError:  # no job of a real cluster
            return
        self._waiting.setdefault((job, what, key), (Note(job, at, what, key, detail), time.monotonic()))
        if not self._leads():
            self._forget_what_the_holder_wrote()
        elif len(self._waiting) > self._most:
            self._lost[self._drop_oldest()] += 1
            self.dropped += 1
            if len(self._lost) > self._most:
                del self._lost[next(iter(self._lost))]

    def _forget_what_the_holder_wrote(self) -> None:
        until = time.monotonic() - STANDBY_SECONDS
        while self._waiting and (len(self._waiting) > self._most or next(iter(self._waiting.values()))[1] < until):
            self._drop_oldest()

    def _drop_oldest(self) -> UUID:
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        return oldest[0]

    # --- what happens ---

    def saw(self, rounds: Sequence[Admission], now: datetime) -> None:
        """A decision was made; `rounds` are those of the queues in which somebody waits. Never raises."""
        with _harmless():
            self._gates.saw(rounds, now)

    def heard(self, change: Change, now: datetime | None = None) -> None:
        """The picture has changed. Never raises."""
        with _harmless():
            self._heard(change.before, change.after, now or datetime.now(UTC))

    def _heard(self, before: AnyDigest | None, after: AnyDigest | None, now: datetime) -> None:
        if not self._listed and not self._picture.missing:
            self._listed = True
            self._catch_up(now)
        match after or before:
            case AnalysisJobDigest():
                self._heard_job(_job(before), _job(after), now)
            case JobDigest() as child if before is None or after is None:
                self._heard_child(child, after is not None, now)
            case PodDigest():
                self._heard_pod(_pod(before), _pod(after), now)
            case PullDigest() as pull if after is not None:
                self._heard_pull(pull)
            case _:
                return

    def _catch_up(self, now: datetime) -> None:
        """Everything was listed once: take in the pods, which may have come before their Jobs."""
        for pod in self._picture.held(Kind.POD):
            child = self._picture.owner_of(pod) if isinstance(pod, PodDigest) else None
            job = self._picture.analysis_jobs.get(child.owner_uid) if child is not None else None
            if isinstance(pod, PodDigest) and job is not None and not _settled(job, now):
                self._heard_pod(None, pod, now)
        self._early.clear()

    # --- AnalysisJobs ---

    def _heard_job(self, before: AnalysisJobDigest | None, after: AnalysisJobDigest | None, now: datetime) -> None:
        job = after or before
        if job is None:
            return
        if after is None or after.status.phase.terminal:
            self._leaves(job.uid, now)
        elif after.status.phase is Phase.QUEUED and self._picture.job_of(after) is None:
            ground = (after.queue, self._picture.tenant_of(after.namespace))
            self._gates.came(after.uid, ground, after.created, now)
            self._gate_told(before, after, now)
        if after is None:
            return
        if after.cancel_wish is not None and (before is None or before.cancel_wish is None):
            wish = after.cancel_wish
            by = {"by": wish.manager, "through": KUBERNETES}
            self._note(after.uid, (wish.at or now, What.CANCEL_ASKED, "spec"), by)
        if after.status.phase is Phase.CANCELLING and (before is None or before.status.phase is not Phase.CANCELLING):
            self._note(after.uid, (now, What.CANCELLING, ""), {"atLatest": True} if before is None else {})

    def _gate_told(self, before: AnalysisJobDigest | None, after: AnalysisJobDigest, now: datetime) -> None:
        said = after.status.condition(ConditionType.ADMITTED)
        if said is None or said.holds:
            return
        old = before.status.condition(ConditionType.ADMITTED) if before is not None else None
        if old is None or old.reason != said.reason:
            at = (said.since or now) if old is None else now
            self._note(after.uid, (at, What.GATE_TOLD, said.reason), {"message": after.status.message[:MAX_WORDS]})

    def _leaves(self, uid: str, now: datetime) -> None:
        for held, counted_from in self._gates.left(uid, now):
            self._note(uid, (held.first, What.HELD, held.reason.value), held.detail(counted_from))

    # --- Jobs and pods ---

    def _heard_child(self, child: JobDigest, there: bool, now: datetime) -> None:
        if not there:
            return
        made = child.created or now
        recent = (now - made).total_seconds() < RECENT_SECONDS
        self._leaves(child.owner_uid, now if recent else made)
        job = self._picture.analysis_jobs.get(child.owner_uid)
        admitted = job.status.admitted_at if job is not None else None
        if admitted is not None and (made - admitted).total_seconds() > 1:
            # Its first Job is told by admittedAt; somebody deleted that one.
            self._note(child.owner_uid, (made, What.JOB_CREATED, child.uid), {"job": child.name, "again": True})
        for pod in self._picture.pods_of(child):  # they may be heard of before the answer to its creation
            self._heard_pod(None, pod, now)

    def _heard_pod(self, before: PodDigest | None, after: PodDigest | None, now: datetime) -> None:
        pod = after or before
        owner = self._owner_of(pod) if pod is not None and self._listed else None
        if pod is None or owner is None:
            return
        for at, what, key, detail in _appeared(before, after, now):
            last = self._last_report(owner, pod) if what is What.POD_ENDED else {}
            self._note(owner, (at, what, key), {"pod": pod.name, **detail, **last})
        if after is None:
            self._owners.pop(pod.uid, None)

    def _owner_of(self, pod: PodDigest) -> str | None:
        """The AnalysisJob of a pod: remembered, for a pod may outlive its Job."""
        known = self._owners.get(pod.uid)
        if known is not None:
            return known
        child = self._picture.owner_of(pod)
        if child is None:
            return None
        self._owners[pod.uid] = child.owner_uid
        early = self._early.pop(pod.uid, None)
        if early is not None:
            self._pulled(child.owner_uid, pod, early)
        return child.owner_uid

    def _last_report(self, owner: str, pod: PodDigest) -> dict[str, Any]:
        """Where a pod was that left no last words, as far as Redis had it."""
        report = self._picture.reports.get(owner)
        if report is None or pod.words is not None or pod.exit_code == 0:
            return {}
        return {"lastStage": report.stage[:63], "lastPercent": report.percent}

    # --- image pulls ---

    def _heard_pull(self, pull: PullDigest) -> None:
        pod = self._picture.pod(pull.pod_uid)
        ours = self._listed and pod is not None and pod.namespace == pull.namespace
        owner = self._owner_of(pod) if ours and pod is not None else None
        if pod is not None and owner is not None:
            self._pulled(owner, pod, pull)
        elif not self._listed and len(self._early) < MAX_EARLY:
            self._early[pull.pod_uid] = pull

    def _pulled(self, owner: str, pod: PodDigest, pull: PullDigest) -> None:
        detail: dict[str, Any] = {"pod": pod.name, **({"present": True} if pull.present else {})}
        detail |= {"seconds": pull.seconds} if pull.seconds is not None else {}
        self._note(owner, (pull.at, What.IMAGE_PULLED, pod.uid), detail)


@contextmanager
def _harmless() -> Iterator[None]:
    """A timeline may lack something; phases and decisions never wait for it."""
    try:
        yield
    except Exception:
        _log.exception("the flight recorder missed something")


_log = logs.get_logger(__name__)
_Fact = tuple[datetime, What, str, dict[str, Any]]


def _appeared(before: PodDigest | None, after: PodDigest | None, now: datetime) -> Iterator[_Fact]:
    """What is known of a pod now and was not before. A pod that is gone without a word ended now at the latest."""
    if after is None:
        if before is not None and before.ended_at is None:
            yield now, What.POD_ENDED, before.uid, {**_end(before), "atLatest": True}
        return
    if after.scheduled_at is not None and (before is None or before.scheduled_at is None):
        created = {"created": after.created.isoformat()} if after.created else {}
        yield after.scheduled_at, What.POD_SCHEDULED, after.uid, {"node": after.node, **created}
    if after.trouble is not None and (before is None or before.trouble != after.trouble):
        told = {"reason": after.trouble.reason.value, "message": after.trouble.message[:MAX_WORDS]}
        yield now, What.POD_TROUBLED, f"{after.uid}/{after.trouble.reason.value}", told
    if after.started_at is not None and (before is None or before.started_at is None):
        yield after.started_at, What.POD_STARTED, after.uid, {}
    if after.ended_at is not None and (before is None or before.ended_at is None):
        yield after.ended_at, What.POD_ENDED, after.uid, _end(after)


def _settled(job: AnalysisJobDigest, now: datetime) -> bool:
    ended = job.status.completed_at
    return job.status.phase.terminal and ended is not None and (now - ended).total_seconds() > SETTLED_SECONDS


def _end(pod: PodDigest) -> dict[str, Any]:
    told: dict[str, Any] = {"exitCode": pod.exit_code} if pod.exit_code is not None else {}
    reason = "OOMKilled" if pod.out_of_memory else pod.disruption or pod.reason
    return {**told, "reason": reason[:63]} if reason else told


def _job(digest: object) -> AnalysisJobDigest | None:
    return digest if isinstance(digest, AnalysisJobDigest) else None


def _pod(digest: object) -> PodDigest | None:
    return digest if isinstance(digest, PodDigest) else None

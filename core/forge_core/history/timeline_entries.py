"""From what is known of a job to the ordered list of what happened to it. Pure.

Times of Kubernetes have whole seconds, so such a time may lie up to a second before what led to it. Within that second
the order of causes counts (`What`); otherwise the time does. The times themselves are shown as they were told.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final

from forge_core.durations import parse_timestamp
from forge_core.history.notes import Note, What
from forge_core.history.timeline import Attempt, Course, Facts
from forge_core.names import child_job_name

SECOND: Final = timedelta(seconds=1)
MAX_STAGES: Final = 64
_RANK: Final = {what: rank for rank, what in enumerate(What)}
_WITHIN: Final = frozenset({What.STAGES, What.GATE_TOLD, What.HELD})
"""Notes that become other entries."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `detail` differs by `what`; docs/api.md lists it."""

    at: datetime
    what: What
    detail: Mapping[str, Any] = field(default_factory=dict)
    attempt: int | None = None
    pod: str | None = None


def entries_of(facts: Facts) -> list[Entry]:
    """Everything, in order; the same facts give the same list, whatever order they were read in."""
    return ordered(
        [
            *_course(facts.course),
            *_gates(facts.course, facts.notes),
            *_attempts(facts.attempts),
            *_stages(facts),
            *_uploads(facts),
            *_refunds(facts),
            *_events(facts),
            *(_of_note(note) for note in facts.notes if note.what not in _WITHIN),
        ]
    )


def _course(course: Course) -> Iterator[Entry]:
    told: dict[str, Any] = {"through": "api" if course.submitted else "manifest", "queue": course.queue}
    told |= {"by": course.requested_by} if course.requested_by else {}
    told |= {"retryOf": str(course.retry_of)} if course.retry_of else {}
    yield Entry(course.created_at, What.SUBMITTED, told)
    if course.submitted and course.queued_at:
        yield Entry(course.queued_at, What.QUEUED, {"namespace": course.namespace, "name": course.name})
    if course.admitted_at:
        yield Entry(course.admitted_at, What.ADMITTED)
        if course.uid:
            yield Entry(course.admitted_at, What.JOB_CREATED, {"job": child_job_name(course.name, str(course.uid))})
    if course.sla_breached_at:
        yield Entry(course.sla_breached_at, What.SLA_BREACHED)
    if course.completed_at and course.phase in {"Completed", "Failed", "Cancelled"}:
        end = {"phase": course.phase, "reason": course.reason, "class": course.failure_class, "message": course.message}
        yield Entry(course.completed_at, What.ENDED, {key: value for key, value in end.items() if value})
    if course.recorded_at:
        yield Entry(course.recorded_at, What.RECORDED)
    if course.deleted_at:
        yield Entry(course.deleted_at, What.REMOVED)


def _gates(course: Course, notes: Sequence[Note]) -> Iterator[Entry]:
    """Each gate once: its total when it is known, else since when the status has named it."""
    held = {note.key: note for note in notes if note.what is What.HELD}
    told = sorted((note for note in notes if note.what is What.GATE_TOLD), key=lambda note: note.at)
    for gate, note in held.items():
        yield Entry(note.at, What.HELD, {"gate": gate, **note.detail})
    over = course.admitted_at or (course.completed_at if course.completed_at else None)
    for note, following in zip_longest(told, told[1:]):
        if note.key in held:
            continue
        until = following.at if following else over
        detail = {"gate": note.key, **note.detail}
        if until is not None:
            detail |= {"seconds": _seconds(note.at, until), "until": until.isoformat()}
        yield Entry(note.at, What.HELD, detail)


def _attempts(attempts: Sequence[Attempt]) -> Iterator[Entry]:
    for attempt, after in zip_longest(attempts, attempts[1:]):
        entry = Entry(attempt.claimed_at, What.ATTEMPT_CLAIMED, {}, attempt.number, attempt.pod_name)
        yield entry
        if attempt.ended_at is None:
            continue
        told = {"class": attempt.failure_class, "stage": attempt.stage, "message": attempt.message}
        detail: dict[str, Any] = {key: value for key, value in told.items() if value}
        detail["seconds"] = _seconds(attempt.claimed_at, attempt.ended_at)
        detail |= {"charged": False} if attempt.refunded else {}
        succeeded = attempt.outcome == "succeeded"
        yield replace(
            entry,
            at=attempt.ended_at,
            what=What.ATTEMPT_SUCCEEDED if succeeded else What.ATTEMPT_FAILED,
            detail=detail,
        )
        if after is not None and after.pod_uid == attempt.pod_uid:
            pause = {"seconds": _seconds(attempt.ended_at, after.claimed_at), "until": after.claimed_at.isoformat()}
            yield replace(entry, at=attempt.ended_at, what=What.BACKOFF, detail=pause)


def _stages(facts: Facts) -> Iterator[Entry]:
    """As the runners told them; a runner's clock is believed only between its claim and its outcome."""
    attempts = {str(attempt.number): attempt for attempt in facts.attempts}
    for note in facts.notes:
        attempt = attempts.get(note.key) if note.what is What.STAGES else None
        if attempt is None:
            continue
        until = attempt.ended_at or note.at
        for name, at in _told_stages(note.detail):
            moment = min(max(at, attempt.claimed_at), until)
            yield Entry(moment, What.STAGE, {"stage": name}, attempt.number, attempt.pod_name)


def _told_stages(detail: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    told = detail.get("stages")
    for each in told[:MAX_STAGES] if isinstance(told, list) else []:
        try:
            name, at = each
            yield str(name)[:63], parse_timestamp(at)
        except (ValueError, TypeError):
            continue


def _uploads(facts: Facts) -> Iterator[Entry]:
    pods = {attempt.number: attempt.pod_name for attempt in facts.attempts}
    for upload in facts.uploads:
        detail = {"artifacts": upload.artifacts, "bytes": int(upload.size)}
        yield Entry(upload.last, What.UPLOADED, detail, upload.attempt, pods.get(upload.attempt))


def _refunds(facts: Facts) -> Iterator[Entry]:
    pods = {attempt.pod_uid: attempt.pod_name for attempt in facts.attempts}
    for refund in facts.refunds:
        yield Entry(refund.at, What.REFUNDED, {"reason": refund.reason}, None, pods.get(refund.pod_uid))


def _events(facts: Facts) -> Iterator[Entry]:
    for event in facts.told:
        if event.published_at is not None:
            yield Entry(event.published_at, What.DELIVERED, {"type": event.type, "channel": event.channel})


def _of_note(note: Note) -> Entry:
    detail = dict(note.detail)
    pod, attempt = detail.pop("pod", None), detail.pop("attempt", None)
    return Entry(
        note.at,
        note.what,
        detail,
        attempt if isinstance(attempt, int) else None,
        pod if isinstance(pod, str) else None,
    )


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """In the order in which it happened, as far as the times tell; stable for equal ones."""
    entries = list(entries)
    exact: dict[datetime, list[Entry]] = defaultdict(list)
    for entry in entries:
        if not _whole(entry):
            exact[entry.at.replace(microsecond=0)].append(entry)

    def place(entry: Entry) -> tuple[datetime, int, datetime, int, str, str]:
        at = entry.at
        if _whole(entry):
            at = max([at, *(cause.at for cause in exact.get(at, ()) if _leads_to(cause, entry))])
        told = json.dumps(entry.detail, sort_keys=True, default=str)
        return (at, _RANK[entry.what], entry.at, entry.attempt or 0, entry.pod or "", told)

    return sorted(entries, key=place)


def _whole(entry: Entry) -> bool:
    return entry.at.microsecond == 0


def _leads_to(cause: Entry, entry: Entry) -> bool:
    same_pod = cause.pod is None or entry.pod is None or cause.pod == entry.pod
    return same_pod and _RANK[cause.what] < _RANK[entry.what]


def _seconds(began: datetime, ended: datetime) -> float:
    return round(max((ended - began).total_seconds(), 0.0), 3)

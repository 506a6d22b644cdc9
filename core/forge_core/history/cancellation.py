"""A cancelled job's receipt: who asked, when it was decided, when its last pod was gone, and that nothing followed.

The name of a person comes only from the API, which knows who called. Of a cancellation through the Kubernetes API no
more is known than the name that the client gave itself (its field manager): it is shown as told, and proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from forge_core.history.notes import Note, What
from forge_core.history.timeline import Facts

API: Final = "api"
KUBERNETES: Final = "kubernetes"
DELETION: Final = "deletion"


@dataclass(frozen=True)
class Receipt:
    """`through` is `api`, `kubernetes` (spec.cancel was set) or `deletion` (the AnalysisJob was deleted)."""

    requested_by: str
    """The API's user; through Kubernetes the client's name for itself; "" when nobody knows."""
    through: str
    requested_at: datetime | None
    decided_at: datetime | None
    """When Cancelling, or for a waiting job Cancelled, was written."""
    last_pod_ended_at: datetime | None
    """None when it never had a pod, or while one is left."""
    refused_uploads: int
    counted_at: datetime | None
    """When it was counted, once, as cancelled."""
    events: int
    """Events of its end that were written for delivery: 0."""


def receipt_of(facts: Facts) -> Receipt:
    """The receipt of a job that is cancelled or being cancelled."""
    course, notes = facts.course, facts.notes
    decided = _first(notes, What.CANCELLING)
    by, through, asked = _asker(facts)
    return Receipt(
        requested_by=by,
        through=through,
        requested_at=asked,
        decided_at=decided.at if decided else course.completed_at,
        last_pod_ended_at=_last_end(facts),
        refused_uploads=sum(_times(note) for note in notes if note.what is What.UPLOAD_REFUSED),
        counted_at=course.recorded_at,
        events=sum(1 for event in facts.told if event.channel == "events"),
    )


def _asker(facts: Facts) -> tuple[str, str, datetime | None]:
    asked = [note for note in facts.notes if note.what is What.CANCEL_ASKED]
    for note in sorted(asked, key=lambda note: (note.detail.get("through") != API, note.at)):
        return str(note.detail.get("by", "")), str(note.detail.get("through", KUBERNETES)), note.at
    course = facts.course
    if course.cancelled_by:
        return course.cancelled_by, API, course.completed_at
    if course.reason == "Deleted":
        return "", DELETION, course.deleted_at or course.completed_at
    return "", KUBERNETES, None


def _last_end(facts: Facts) -> datetime | None:
    began = {note.key for note in facts.notes if note.what is What.POD_SCHEDULED}
    ended = {note.key: note.at for note in facts.notes if note.what is What.POD_ENDED}
    if began - ended.keys() and facts.course.last_pod_ended_at is None:
        return None
    known = [*ended.values(), facts.course.last_pod_ended_at]
    return max((at for at in known if at is not None), default=None)


def _times(note: Note) -> int:
    times = note.detail.get("times", 1)
    return times if isinstance(times, int) else 1


def _first(notes: Sequence[Note], what: What) -> Note | None:
    return min((note for note in notes if note.what is what), key=lambda note: note.at, default=None)

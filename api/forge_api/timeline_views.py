"""What the API answers of a job's course: its timeline's entries, and a cancelled job's receipt."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from forge_api.shapes import View
from forge_core.history.cancellation import Receipt
from forge_core.history.notes import What
from forge_core.history.timeline_entries import Entry


class TimelineEntry(View):
    """One thing that happened; `attempt` and `pod` are there where it belongs to one."""

    at: datetime
    what: Annotated[What, Field(examples=["held"])]
    detail: Annotated[dict[str, Any], Field(examples=[{"gate": "ConcurrencyReached", "seconds": 12.4}])]
    attempt: Annotated[int | None, Field(examples=[1])] = None
    pod: Annotated[str | None, Field(examples=["0b4bb5a5-7a42-x7k2p"])] = None

    @classmethod
    def of(cls, entry: Entry) -> "TimelineEntry":
        """The view of an entry."""
        return cls(at=entry.at, what=entry.what, detail=dict(entry.detail), attempt=entry.attempt, pod=entry.pod)


class Counted(View):
    """That the job was counted among those that ended: once, and as what."""

    status: Annotated[str, Field(examples=["cancelled"])] = "cancelled"
    at: datetime


class Cancellation(View):
    """Who cancelled a job, when it was over with, and that nothing of it followed."""

    requested_by: Annotated[
        str,
        Field(
            description='The API\'s user; through Kubernetes what the client calls itself, unproven; "" when unknown.',
            examples=["ada"],
        ),
    ]
    through: Annotated[str, Field(description="`api`, `kubernetes` or `deletion`.", examples=["api"])]
    requested_at: datetime | None
    decided_at: Annotated[datetime | None, Field(description="From then on it can only end cancelled.")]
    last_pod_ended_at: Annotated[datetime | None, Field(description="Null while a pod is left, or without any.")]
    refused_uploads: Annotated[int, Field(description="What its pods tried to store too late.", examples=[0])]
    counted: Annotated[Counted | None, Field(description="Null until its end is recorded.")]
    events: Annotated[int, Field(description="Events of its end that were written for delivery.", examples=[0])]

    @classmethod
    def of(cls, receipt: Receipt) -> "Cancellation":
        """The view of a receipt."""
        same = {name: getattr(receipt, name) for name in cls.model_fields if name != "counted"}
        return cls(**same, counted=Counted(at=receipt.counted_at) if receipt.counted_at else None)

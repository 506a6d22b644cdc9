"""What GET /usage takes and answers."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from forge_api.shapes import Asked, View
from forge_api.views import Line, Moment
from forge_core.history.usage import Usage


class UsageAsked(Asked):
    """Query of GET /usage."""

    since: Annotated[Moment | None, Field(description="Hours that begin at or after this; a day before until.")] = None
    until: Annotated[Moment | None, Field(description="Hours that begin before this; now, or a day after since.")] = (
        None
    )
    queue: Annotated[Line | None, Field(max_length=63, examples=["analysis"])] = None


class UsageView(View):
    """One queue in one hour: the jobs that ended in it, and what they took from their start to their end."""

    queue: Annotated[str, Field(examples=["analysis"])]
    hour: Annotated[datetime, Field(description="Its beginning, UTC.")]
    completed: Annotated[int, Field(examples=[12])]
    failed: Annotated[int, Field(examples=[1])]
    cancelled: Annotated[int, Field(examples=[0])]
    attempts: Annotated[int, Field(examples=[14])]
    run_seconds: Annotated[float, Field(description="From startedAt to completedAt, summed.", examples=[3600.5])]
    cpu_seconds: Annotated[float, Field(description="Run seconds by the cores that were requested.", examples=[900.1])]
    memory_gib_seconds: Annotated[float, Field(description="The same by GiB of memory.", examples=[900.1])]

    @classmethod
    def of(cls, usage: Usage) -> "UsageView":
        """The view of a row."""
        return cls(**{name: getattr(usage, name) for name in cls.model_fields})


class UsageReport(View):
    """Oldest first. An hour without a row had nothing; hours from `closedUntil` on aren't aggregated yet."""

    since: datetime
    until: datetime
    closed_until: datetime | None
    items: list[UsageView]

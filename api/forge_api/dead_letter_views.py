"""Dead letters and redriving as JSON."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from forge_api.shapes import Asked, View
from forge_api.views import ID, Line, Moment, PageAsked
from forge_core.exits import FailureClass
from forge_core.fingerprints import LENGTH
from forge_core.history.dead_letters import Group

MOST: Final = 10_000
"""Jobs that one request may redrive."""
FINGERPRINT: Final = rf"^[0-9a-f]{{{LENGTH}}}$"
_PRINT: Final = "26d0bc8f8cf58aded0fc07992b16c897"
_SAID: Final = "* of * attempts are used up; of the last one: The host git.example.com was too slow to answer."
_MESSAGE: Final = "3 of 3 attempts are used up; of the last one: The host git.example.com was too slow to answer."
_AT_MOST: Final = "At most so many, the oldest first: nobody redrives thousands by accident."

_Class = Annotated[
    FailureClass | None, Field(alias="class", description="Why the last attempt failed.", examples=["transient"])
]
_Limit = Annotated[int, Field(ge=1, le=MOST, strict=True, description=_AT_MOST, examples=[100])]


class GroupFilters(PageAsked):
    """Query of GET /dead-letters; what is left out filters nothing."""

    queue: Annotated[Line | None, Field(max_length=63, examples=["analysis"])] = None
    failure_class: _Class = None
    since: Annotated[Moment | None, Field(description="Groups whose newest failure is at or after this time.")] = None


class ExampleView(View):
    """The newest job of a group, with its own words."""

    id: Annotated[UUID, Field(examples=[ID])]
    namespace: Annotated[str, Field(description="Where kubectl finds it.", examples=["tenant-demo"])]
    name: Annotated[str, Field(examples=["flask"])]
    message: Annotated[str, Field(examples=[_MESSAGE])]
    completed_at: datetime


class DeadLetterGroup(View):
    """Failed jobs of one cause."""

    fingerprint: Annotated[str, Field(description="Of the cause: queue, kind, class, reason, stage, message.")]
    queue: Annotated[str, Field(examples=["analysis"])]
    kind: Annotated[str, Field(description="Of work.", examples=["analysis"])]
    failure_class: Annotated[str, Field(alias="class", examples=["transient"])]
    reason: Annotated[str, Field(description="As in the condition Failed.", examples=["AttemptsExhausted"])]
    stage: Annotated[str, Field(description="Of the last attempt.", examples=["cloning"])]
    message: Annotated[str, Field(description="What all of them said; * is what varied.", examples=[_SAID])]
    count: Annotated[int, Field(examples=[37])]
    redriven: Annotated[int, Field(description="How many of them another job does again.", examples=[0])]
    first_seen: datetime
    last_seen: datetime
    example: ExampleView

    @classmethod
    def of(cls, group: Group) -> "DeadLetterGroup":
        """The view of a group."""
        own = {name: getattr(group, name) for name in cls.model_fields if name != "example"}
        shown = {name: getattr(group.example, name) for name in ExampleView.model_fields}
        return cls(**own, example=ExampleView(**shown))


class DeadLetterGroups(View):
    """A page, the group with the newest failure first."""

    items: list[DeadLetterGroup]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None


class RedriveGroup(Asked):
    """Body of POST /dead-letters/{fingerprint}/redrive."""

    limit: _Limit


class RedriveAll(Asked):
    """Body of POST /dead-letters/redrive; a filter that is left out filters nothing."""

    limit: _Limit
    queue: Annotated[Line | None, Field(max_length=63, examples=["analysis"])] = None
    failure_class: _Class = None


class Redrive(View):
    """What became of a group: new jobs wait as Queued and go to the cluster one by one."""

    redriven: Annotated[int, Field(description="New jobs.", examples=[100])]
    skipped: Annotated[int, Field(description="Redriven before, or invalid as they were written.", examples=[3])]
    left: Annotated[int, Field(description="Beyond the limit: ask again for these.", examples=[17])]
    last_at: Annotated[datetime | None, Field(description="When the last goes; null when none does.")] = None

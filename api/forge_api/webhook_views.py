"""What the API takes and answers of webhook endpoints and their deliveries. A secret is in two answers alone."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field

from forge_api.shapes import Asked, View
from forge_api.views import ID, Line, Status
from forge_core.history.deliveries import Attempt, Delivery
from forge_core.history.endpoints import Endpoint
from forge_core.webhooks import EVENT_PATTERN, MAX_URL, target_of

_URL: Final = "https://example.com/hooks/forge"
_ENDPOINT: Final = "7d3f1f0a-52a4-4c39-8a55-3d8c1f0f6f11"
LONGEST_OVERLAP: Final = 7 * 24 * 3600


def _callable(url: str) -> str:
    target_of(url)  # its words are the answer
    return url


Url = Annotated[str, Field(min_length=1, max_length=MAX_URL, examples=[_URL]), AfterValidator(_callable)]
Events = Annotated[
    tuple[Annotated[str, Field(max_length=63, pattern=EVENT_PATTERN)], ...],
    Field(
        max_length=20,
        description="Which events: analysis.completed, analysis.* or *; none are all.",
        examples=[["analysis.*"]],
    ),
]
Description = Annotated[Line, Field(max_length=253, examples=["chat of team A"])]


class NewEndpoint(Asked):
    """Body of POST /webhooks."""

    url: Url
    events: Events = ()
    description: Description = ""


class EndpointChanges(Asked):
    """Body of PATCH /webhooks/{id}; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: Annotated[bool | None, Field(examples=[True])] = None


class Rotation(Asked):
    """Body of POST /webhooks/{id}/rotate-secret."""

    overlap_seconds: Annotated[
        int,
        Field(ge=0, le=LONGEST_OVERLAP, description="How long the secret so far signs too.", examples=[86400]),
    ] = 24 * 3600


class EndpointView(View):
    """One endpoint."""

    id: Annotated[UUID, Field(examples=[_ENDPOINT])]
    url: Annotated[str, Field(examples=[_URL])]
    events: Annotated[tuple[str, ...], Field(examples=[["analysis.*"]])]
    description: Annotated[str, Field(examples=["chat of team A"])]
    enabled: bool
    disabled_because: Annotated[str, Field(description='"user", "gone" (it answered 410) or "".', examples=[""])]
    created_by: Annotated[str, Field(examples=["me"])]
    created_at: datetime
    rotated_at: datetime | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, **more: Any) -> "EndpointView":
        """The view of a row."""
        return cls(**{name: getattr(endpoint, name) for name in EndpointView.model_fields}, **more)


class EndpointWithSecret(EndpointView):
    """Answer of registering and of rotating: the only times that the secret is shown."""

    secret: Annotated[str, Field(description="whsec_ and base64; keep it.", examples=["whsec_..."])]
    previous_until: Annotated[datetime | None, Field(description="Until when the secret before signs too.")] = None


class EndpointPage(View):
    """A page, newest first."""

    items: list[EndpointView]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None


class CallView(View):
    """One call of a delivery."""

    attempt: Annotated[int, Field(examples=[1])]
    began_at: datetime
    ended_at: datetime | None = None
    status: Annotated[int | None, Field(description="HTTP status; null when none came.", examples=[200])] = None
    seconds: Annotated[float | None, Field(examples=[0.21])] = None
    body: Annotated[str, Field(description="The answer's first KiB.", examples=["ok"])] = ""
    message: Annotated[str, Field(description="Why it failed.", examples=[""])] = ""

    @classmethod
    def of(cls, attempt: Attempt) -> "CallView":
        """The view of an attempt; a pod wrote its account, so each part is looked at."""
        response, seconds = attempt.account.get("response"), attempt.account.get("seconds")
        answer = response if isinstance(response, dict) else {}
        status, body = answer.get("status"), answer.get("body")
        return cls(
            attempt=attempt.number,
            began_at=attempt.claimed_at,
            ended_at=attempt.ended_at,
            status=status if isinstance(status, int) else None,
            seconds=seconds if isinstance(seconds, int | float) else None,
            body=body[:2048] if isinstance(body, str) else "",
            message=attempt.message,
        )


class DeliveryView(View):
    """One delivery: a job of the queue webhooks, whose id it has."""

    id: Annotated[UUID, Field(examples=[ID])]
    message_id: Annotated[str, Field(description="The header webhook-id.", examples=[ID])]
    event_type: Annotated[str, Field(examples=["analysis.completed"])]
    status: Status
    message: Annotated[str, Field(examples=[""])]
    created_at: datetime
    completed_at: datetime | None = None
    calls: list[CallView]

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryView":
        """The view of a delivery."""
        same = ("id", "message_id", "event_type", "message", "created_at", "completed_at")
        return cls(
            **{name: getattr(delivery, name) for name in same},
            status=Status(delivery.phase.value.lower()),
            calls=[CallView.of(attempt) for attempt in delivery.attempts],
        )


class DeliveryPage(View):
    """A page, newest first."""

    items: list[DeliveryView]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None


class DeliveryAccepted(View):
    """Answer of a ping and of redelivering."""

    id: Annotated[UUID, Field(description="The new delivery's, and its job's.", examples=[ID])]
    message_id: Annotated[str, Field(examples=[ID])]
    status: Annotated[Status, Field(examples=["queued"])] = Status.QUEUED

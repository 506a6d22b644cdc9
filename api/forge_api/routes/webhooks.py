"""A tenant's webhook endpoints: registering, changing, testing, and what became of deliveries."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response

from forge_api import cursors
from forge_api.deps import Caller, Calling, Held
from forge_api.problems import Problem, responses
from forge_api.services import Services
from forge_api.submitting import send
from forge_api.views import PageAsked
from forge_api.webhook_views import (
    DeliveryAccepted,
    DeliveryPage,
    DeliveryView,
    EndpointChanges,
    EndpointPage,
    EndpointView,
    EndpointWithSecret,
    NewEndpoint,
    Rotation,
)
from forge_core.history.database import HistoryUnavailable
from forge_core.history.deliveries import Message, compact, job_for
from forge_core.history.endpoints import BY_USER, MAX_ENDPOINTS, Endpoint, TooMany
from forge_core.history.events import ping_of

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


async def endpoint_of(services: Held, caller: Calling, endpoint_id: UUID) -> Endpoint:
    """The tenant's endpoint that the path names."""
    found = await services.endpoints.find(caller.tenant, endpoint_id)
    if found is None:
        raise Problem(404, "Endpoint not found")
    return found


Named = Annotated[Endpoint, Depends(endpoint_of)]


@router.post("", status_code=201, responses=responses(400, 409))
async def register(asked: NewEndpoint, services: Held, caller: Calling, response: Response) -> EndpointWithSecret:
    """Register an endpoint. Its secret is in this answer and can't be asked for again."""
    now = datetime.now(UTC)
    endpoint = Endpoint(
        id=uuid4(),
        tenant=caller.tenant,
        namespace=caller.namespace,
        url=asked.url,
        events=asked.events,
        description=asked.description,
        enabled=True,
        disabled_because="",
        enabled_at=now,
        created_by=caller.identity.user,
        created_at=now,
    )
    await services.endpoints.note_secret(endpoint)
    secret = await services.endpoint_secrets.make(endpoint)
    try:
        await services.endpoints.add(endpoint)
    except BaseException as error:  # its Secret would be nobody's
        # Where this fails too, a clean-up finds the Secret by its note.
        with suppress(Problem, HistoryUnavailable):
            await services.endpoint_secrets.forget(endpoint.namespace, endpoint.secret)
            await services.endpoints.forget_secret(endpoint.id)
        if isinstance(error, TooMany):
            sentence = f"The tenant has {MAX_ENDPOINTS} endpoints already: delete one first."
            raise Problem(409, sentence, code="too-many") from None
        raise
    response.headers["Location"] = f"/webhooks/{endpoint.id}"
    return EndpointWithSecret(**EndpointView.of(endpoint).model_dump(), secret=secret)


@router.get("", responses=responses())
async def listing(services: Held, caller: Calling, asked: Annotated[PageAsked, Query()]) -> EndpointPage:
    """The tenant's endpoints, newest first."""
    after = cursors.decode(asked.cursor) if asked.cursor else None
    found, last = await services.endpoints.page(caller.tenant, after, asked.limit)
    items = [EndpointView.of(endpoint) for endpoint in found]
    return EndpointPage(items=items, next_cursor=cursors.encode(last) if last else None)


@router.get("/{endpoint_id}", responses=responses(404))
async def read(endpoint: Named) -> EndpointView:
    """One endpoint, without its secret."""
    return EndpointView.of(endpoint)


@router.patch("/{endpoint_id}", responses=responses(400, 404, 409))
async def change(asked: EndpointChanges, services: Held, endpoint: Named) -> EndpointView:
    """Change its URL, its filter or its description; enable or disable it. Calls from now on go by it."""
    changes = asked.model_dump(exclude_none=True, exclude={"enabled"})
    if "events" in changes:
        changes["events"] = list(changes["events"])
    if asked.url is not None and asked.url != endpoint.url:
        await services.endpoint_secrets.lead_to(endpoint, asked.url)
    return EndpointView.of(await _changed(services, endpoint, {**changes, **_switched(asked.enabled, endpoint)}))


def _switched(enabled: bool | None, endpoint: Endpoint) -> dict[str, Any]:
    if enabled is None or enabled == endpoint.enabled:
        return {}
    if enabled:
        return {"enabled": True, "disabled_because": "", "enabled_at": datetime.now(UTC)}
    return {"enabled": False, "disabled_because": BY_USER}


async def _changed(services: Services, endpoint: Endpoint, changes: dict[str, Any]) -> Endpoint:
    if not changes:
        return endpoint
    changed = await services.endpoints.change(endpoint.tenant, endpoint.id, changes)
    if changed is None:
        raise Problem(404, "Endpoint not found")
    return changed


@router.delete("/{endpoint_id}", status_code=204, responses=responses(404))
async def delete(services: Held, endpoint: Named) -> Response:
    """Forget an endpoint and its secret. Deliveries under way fail at their next attempt."""
    await services.endpoint_secrets.forget(endpoint.namespace, endpoint.secret)
    await services.endpoints.remove(endpoint.tenant, endpoint.id)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate-secret", responses=responses(400, 404, 409))
async def rotate(asked: Rotation, services: Held, endpoint: Named) -> EndpointWithSecret:
    """A new secret, shown in this answer alone; for a while messages carry a signature of the one so far too."""
    now = datetime.now(UTC)
    until = now + timedelta(seconds=asked.overlap_seconds)
    secret = await services.endpoint_secrets.rotate(endpoint, until)
    changed = await _changed(services, endpoint, {"rotated_at": now})
    return EndpointWithSecret(**EndpointView.of(changed).model_dump(), secret=secret, previous_until=until)


@router.post("/{endpoint_id}/ping", status_code=202, responses=responses(404))
async def ping(services: Held, caller: Calling, endpoint: Named) -> DeliveryAccepted:
    """Deliver an event of type ping to this endpoint, whatever its filter and even while it is disabled."""
    body = ping_of(caller.tenant, endpoint.id, datetime.now(UTC))
    return await _deliver(services, caller, endpoint, Message(body["id"], body["type"], compact(body)))


@router.get("/{endpoint_id}/deliveries", responses=responses(404))
async def deliveries(services: Held, endpoint: Named, asked: Annotated[PageAsked, Query()]) -> DeliveryPage:
    """The endpoint's deliveries, newest first, with each call's status, duration and the first KiB of its answer."""
    after = cursors.decode(asked.cursor) if asked.cursor else None
    found, last = await services.deliveries.page(endpoint, after, asked.limit)
    items = [DeliveryView.of(delivery) for delivery in found]
    return DeliveryPage(items=items, next_cursor=cursors.encode(last) if last else None)


@router.post("/{endpoint_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=responses(404))
async def redeliver(services: Held, caller: Calling, endpoint: Named, delivery_id: UUID) -> DeliveryAccepted:
    """Deliver the same message once more, under the same message id, by a new job."""
    message = await services.deliveries.message(endpoint, delivery_id)
    if message is None:
        raise Problem(404, "Delivery not found")
    return await _deliver(services, caller, endpoint, message)


async def _deliver(services: Services, caller: Caller, endpoint: Endpoint, message: Message) -> DeliveryAccepted:
    job = job_for(endpoint, message, uuid4(), caller.identity.user, datetime.now(UTC))
    await services.deliveries.add(endpoint, message, job)
    await send(services, job.id)
    return DeliveryAccepted(id=job.id, message_id=message.id)

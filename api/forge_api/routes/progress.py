"""Live progress by websocket and by server-sent events, on one path; `forge_api.following` says what is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, WebSocket, WebSocketDisconnect
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from forge_api.deps import SUBPROTOCOL, Calling, Held, Named, admit, find, services_of, socket_token
from forge_api.following import Following, Told, resume_token
from forge_api.problems import Problem, answer, responses, unavailable
from forge_api.relay import TooMany
from forge_core.cluster import ClusterError
from forge_core.ending import ended
from forge_core.history.database import HistoryUnavailable

router = APIRouter(tags=["progress"])
NORMAL, GOING_AWAY, TRY_AGAIN, POLICY = 1000, 1001, 1013, 1008


async def _following(
    services: Held,
    caller: Calling,
    job: Named,
    after: Annotated[str | None, Query(max_length=50, description="Resume after this message's id.")] = None,
    last_event_id: Annotated[str | None, Header(max_length=50, description="As `after`; it goes first.")] = None,
) -> AsyncIterator[tuple[Following, str]]:
    """All that can be refused is refused before the stream begins."""
    token = resume_token(last_event_id or after)
    try:
        async with services.relay.place(caller.tenant, "sse"):
            yield Following(services, job, caller.identity.expires), token
    except TooMany as error:
        raise Problem(429, str(error)) from None


@router.get("/{job_id}/progress", response_class=EventSourceResponse, responses=responses(404, 429))
async def events(view: Annotated[tuple[Following, str], Depends(_following)]) -> AsyncIterator[ServerSentEvent]:
    """A snapshot, then each step until the job's end. Reconnect with Last-Event-ID to miss nothing.

    The same path speaks websocket: the token in the Authorization header, or as the subprotocol `bearer.<token>`
    beside `forge.v1`; resume with `?after=<id>`.
    """
    following, token = view
    async with aclosing(following.messages(token)) as messages:
        async for told in messages:
            yield ServerSentEvent(event=told.type, id=told.id or None, raw_data=_json(told), retry=2000)


def _json(told: Told) -> str:
    return told.model_dump_json(by_alias=True, exclude_none=True)


@router.websocket("/{job_id}/progress")
async def socket(socket: WebSocket, job_id: str, after: str | None = None) -> None:
    """As the event stream, one JSON message a frame. Refusals are HTTP answers, given before the handshake ends."""
    services = services_of(socket)
    try:
        caller = await admit(services, socket_token(socket))
        job = await find(services, caller, _uuid(job_id))
        token = resume_token(after)
        async with services.relay.place(caller.tenant, "websocket"):
            offered = socket.scope.get("subprotocols", [])
            await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
            with suppress(WebSocketDisconnect):
                await _serve(socket, Following(services, job, caller.identity.expires), token)
    except TooMany as error:
        await socket.send_denial_response(answer(Problem(429, str(error))))
    except HTTPException as problem:
        await socket.send_denial_response(answer(problem))
    except (HistoryUnavailable, ClusterError):
        await socket.send_denial_response(answer(unavailable("The API can't answer at the moment; try again.")))


async def _serve(socket: WebSocket, following: Following, token: str) -> None:
    """Tell until the end; a client that leaves ends it at once, not at the next message."""
    telling = asyncio.create_task(_tell(socket, following, token))
    listening = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()
    finally:
        await ended(telling, listening)


async def _tell(socket: WebSocket, following: Following, token: str) -> None:
    try:
        async with aclosing(following.messages(token)) as messages:
            async for told in messages:
                await socket.send_text(_json(told))
                if told.type == "closed":
                    await socket.close(_code(told.message), told.message[:120])
                    return
    except (HistoryUnavailable, ClusterError):
        await socket.close(TRY_AGAIN, "the history is away")
        return
    await socket.close(NORMAL, "the job has ended")


def _code(reason: str) -> int:
    if "token" in reason:
        return POLICY
    return TRY_AGAIN if "slow" in reason else GOING_AWAY


async def _until_gone(socket: WebSocket) -> None:
    """What a client says is read and dropped: a bounded frame at a time."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404, "Job not found") from None

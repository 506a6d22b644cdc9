"""No request is read beyond its limit, neither in bytes nor in time, whatever its headers say."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forge_api.problems import Problem, answer
from forge_core.attempts import INTERNAL_PREFIX, MAX_ARTIFACT_BYTES, MAX_CACHE_BYTES, MAX_SUMMARY_BYTES

PUBLIC_BYTES: Final = 64 * 1024
OUTCOME_BYTES: Final = MAX_SUMMARY_BYTES + 64 * 1024
HEADER_BYTES: Final = 16 * 1024
"""Of all headers of a request together."""
DRAIN_BYTES: Final = 2 * 1024 * 1024
DRAIN_SECONDS: Final = 2
SOCKET_BYTES: Final = 1024
"""Of one websocket frame: clients have nothing to say."""


@dataclass(frozen=True)
class Limit:
    """What a body may take."""

    size: int
    seconds: float


def public_limit(_path: str) -> Limit:
    """One limit for every public route."""
    return Limit(PUBLIC_BYTES, 30)


def internal_limit(path: str) -> Limit:
    """Artefacts are large, caches half so; the rest is small."""
    if path.startswith(INTERNAL_PREFIX) and "/artifacts/" in path:
        return Limit(MAX_ARTIFACT_BYTES, 300)
    if path.startswith(INTERNAL_PREFIX) and "/caches/" in path:
        return Limit(MAX_CACHE_BYTES, 60)
    return Limit(OUTCOME_BYTES, 30)


class BodyLimits:
    """ASGI middleware: 413 at once when Content-Length says too much, or as soon as too much has come; 408 for slow."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], Limit]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            long = Problem(431, f"The headers are larger than {HEADER_BYTES} bytes.", headers={"Connection": "close"})
            await answer(long)(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:20]) > limit.size:
            if b"expect" not in headers:
                await _drained(receive)
            await answer(_too_large(limit))(scope, receive, send)
            return
        await self._app(scope, _bounded(receive, limit), send)


async def _drained(receive: Receive) -> None:
    """Drop a little of what is on its way: a client that is still sending when the line closes never sees the 413."""
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while dropped < DRAIN_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _too_large(limit: Limit) -> Problem:
    return Problem(413, f"The body is larger than {limit.size} bytes.", headers={"Connection": "close"})


def _bounded(receive: Receive, limit: Limit) -> Receive:
    deadline = asyncio.get_running_loop().time() + limit.seconds
    taken = 0
    whole = False

    async def bounded() -> Message:
        nonlocal taken, whole
        if whole:  # a wait for the disconnection has no limit
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            slow = f"The body did not arrive within {limit.seconds:.0f} s."
            raise Problem(408, slow, headers={"Connection": "close"}) from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > limit.size:
            raise _too_large(limit)
        return message

    return bounded

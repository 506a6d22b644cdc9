"""What lies between the operator and the API server: a proxy that refuses, ends watches, repeats and reorders events.

It changes nothing that it passes on; while the weather is fair it is only in the way.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from tests.services.passing_on import asked, begun, relayed, serving

KEPT_EVENTS: Final = 20
_REASONS: Final = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 410: "Expired"}


@dataclass
class Weather:
    """How it is now. `refusing` is a status that a `share` of the calls is answered with."""

    refusing: int | None = None
    share: float = 1.0
    watches_gone: bool = False
    """Watches end, and new ones are answered 410: whoever watches has to list again."""
    events_doubled: bool = False
    """Events come twice, late ones again, neighbours in the wrong order."""
    met: int = 0
    """Calls and events that the weather touched, so that nobody mistakes a quiet run for a passed one."""


@dataclass
class WeatherProxy:
    """Forwards to `upstream` on `port` of the loopback."""

    upstream: str
    trust: ssl.SSLContext
    chance: random.Random
    weather: Weather = field(default_factory=Weather)
    port: int = 0
    _watches: set[asyncio.Task[object]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["WeatherProxy"]:
        """Until the end of the block."""
        async with serving(self._forward, self.trust) as (self._session, self.port):
            yield self

    def end_watches(self) -> None:
        """Cut every watch that is open."""
        for watch in self._watches:
            watch.cancel()
            self.weather.met += 1

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        watching = request.query.get("watch") in {"1", "true", "True"}
        refused = self._refused(watching)
        if refused is not None:
            self.weather.met += 1
            return refused
        compressed = ("accept-encoding",) if watching else ()  # a watch is read line by line
        body = await request.read()
        try:
            async with asked(self._session, self.upstream, request, body, *compressed) as answer:
                return await (self._watch if watching else relayed)(request, answer)
        except aiohttp.ClientError:
            raise web.HTTPBadGateway from None

    def _refused(self, watching: bool) -> web.Response | None:
        weather = self.weather
        if watching and weather.watches_gone:
            return _status(410)
        if weather.refusing is not None and self.chance.random() < weather.share:
            return _status(weather.refusing)
        return None

    async def _watch(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        task: asyncio.Task[object] | None = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        response = await begun(request, answer)
        late: list[bytes] = []
        try:
            with suppress(ConnectionResetError, aiohttp.ClientPayloadError):
                async for line in answer.content:
                    for each in self._told(line, late):
                        await response.write(each)
                await response.write_eof()
        except asyncio.CancelledError:
            if not self.weather.watches_gone:
                raise
        finally:
            self._watches.discard(task)
        return response

    def _told(self, line: bytes, late: list[bytes]) -> list[bytes]:
        """The line, and in bad weather something older around it."""
        late.append(line)
        del late[:-KEPT_EVENTS]
        if not self.weather.events_doubled:
            return [line]
        self.weather.met += 1
        old = self.chance.choice(late)
        return [line, old, line] if self.chance.random() < 0.5 else [old, line]


def _status(code: int) -> web.Response:
    body = {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": _REASONS[code],
        "message": "bad weather",
    }  # fmt: skip
    return web.json_response(body, status=code, headers={"Retry-After": "1"} if code == 429 else {})

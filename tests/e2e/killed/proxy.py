"""A proxy between an operator and the API server that kills the operator at a chosen moment of a chosen write.

It knows nothing of the operator: it sees requests, so "before it is sent", "after it is sent" and "after its answer"
are what they say.
"""

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from tests.services.passing_on import asked, relayed, serving


class Moment(StrEnum):
    """When the operator dies."""

    BEFORE_SENT = "before it is sent"
    AFTER_SENT = "after it is sent"
    AFTER_ANSWER = "after its answer"


@dataclass(frozen=True)
class Write:
    """One request as the proxy saw it."""

    method: str
    path: str
    body: bytes


@dataclass
class Trap:
    """Kills the process `pid` once, at `moment` of the first write that `matches`: the last one that is let through."""

    matches: Callable[[Write], bool]
    moment: Moment
    pid: int
    taken: bool = False
    sprung: threading.Event = field(default_factory=threading.Event)

    def takes(self, write: Write) -> bool:
        """Whether this is the write; there is only one."""
        if self.taken or not self.matches(write):
            return False
        self.taken = True
        return True

    def spring(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        if not self.sprung.is_set():
            self.sprung.set()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class KillingProxy:
    """Forwards everything to `upstream`, streams included; after a trap's write no other."""

    def __init__(self, upstream: str, trust: ssl.SSLContext) -> None:
        self._upstream = upstream
        self._trust = trust
        self.trap: Trap | None = None
        self.port = 0

    @contextmanager
    def running(self) -> Iterator["KillingProxy"]:
        """Serve on a free port of the loopback, in a thread of its own."""
        started, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._serve(started, stop)), daemon=True)
        thread.start()
        assert started.wait(10), "the proxy did not start"
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        async with serving(self._forward, self._trust) as (self._session, self.port):
            started.set()
            await stop.wait()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        write = Write(request.method, request.path, await request.read())
        trap = self.trap if write.method != "GET" else None
        if trap and trap.taken:  # What was seen of the trap's write by a watch, before its answer, may be acted on.
            raise web.HTTPBadGateway
        caught = trap if trap and trap.takes(write) else None
        if caught and caught.moment is Moment.BEFORE_SENT:
            caught.spring()
            raise web.HTTPBadGateway
        async with asked(self._session, self._upstream, request, write.body) as answer:
            if caught and caught.moment is Moment.AFTER_SENT:
                await answer.read()
                caught.spring()
                raise web.HTTPBadGateway
            response = await relayed(request, answer)
        if caught:
            caught.spring()
        return response

"""Both ports in one process and one loop; SIGTERM ends them in order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from forge_api.app import internal_app, public_app
from forge_api.limits import HEADER_BYTES, SOCKET_BYTES
from forge_api.services import Services
from forge_api.settings import Settings
from forge_core.listening import Server, listening, server

GRACE_SECONDS = 20
CONNECTIONS = 4000
"""Open connections of one port; further ones are answered 503."""
SOCKET_HEADER_BYTES = 8000
"""The websocket library's parser leaves a connection with a longer header line open without an answer."""


class _Http(H11Protocol):
    """Refuses an upgrade that the websocket side could not read."""

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if any(len(name) + len(value) > SOCKET_HEADER_BYTES for name, value in event.headers):
            self.send_400_response("A header is too long.")
            return
        super().handle_websocket_upgrade(event)


def _not_a_denial(record: logging.LogRecord) -> bool:
    """uvicorn reports each refused websocket handshake as an error of the app (seen in 0.54)."""
    return "without completing handshake" not in record.getMessage()


@dataclass(frozen=True)
class Ports:
    """Where the servers listen (a port 0 in the settings asks for any)."""

    public: int
    internal: int


def _server(app: FastAPI) -> Server:
    return server(
        app,
        header_bytes=HEADER_BYTES,
        connections=CONNECTIONS,
        grace=GRACE_SECONDS,
        http=_Http,
        ws="websockets-sansio",
        ws_max_size=SOCKET_BYTES,
        ws_per_message_deflate=False,
    )


@asynccontextmanager
async def serving(services: Services, settings: Settings) -> AsyncIterator[Ports]:
    """Serve while the block lasts. At its end: not ready, drain, close listeners, finish what is being answered."""
    logging.getLogger("uvicorn.error").addFilter(_not_a_denial)
    public = settings.public_port, _server(public_app(services))
    internal = settings.internal_port, _server(internal_app(services))
    async with listening(settings.host, public, internal) as ports:
        try:
            yield Ports(*ports)
        finally:
            services.life.draining = True
            await asyncio.sleep(settings.drain_seconds)
            services.relay.close("the API is shutting down")

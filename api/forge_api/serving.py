"""Both ports in one process and one loop; SIGTERM ends them in order."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from forge_api.app import internal_app, public_app
from forge_api.limits import HEADER_BYTES, SOCKET_BYTES
from forge_api.services import Services
from forge_api.settings import Settings

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


class _Server(uvicorn.Server):
    """Signals are the process's business, for it has two servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Ports:
    """Where the servers listen (a port 0 in the settings asks for any)."""

    public: int
    internal: int


def _server(app: FastAPI) -> _Server:
    """h11 rather than httptools: it bounds the size of headers."""
    return _Server(
        uvicorn.Config(
            app,
            http=_Http,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ws="websockets-sansio",
            ws_max_size=SOCKET_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_SECONDS,
            limit_concurrency=CONNECTIONS,
        )
    )


@asynccontextmanager
async def serving(services: Services, settings: Settings) -> AsyncIterator[Ports]:
    """Serve while the block lasts. At its end: not ready, drain, close listeners, finish what is being answered."""
    logging.getLogger("uvicorn.error").addFilter(_not_a_denial)
    sockets = [_bound(settings.host, port) for port in (settings.public_port, settings.internal_port)]
    servers = [_server(public_app(services)), _server(internal_app(services))]
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in zip(servers, sockets, strict=True)]
    try:
        while not all(server.started for server in servers):
            if any(task.done() for task in tasks):
                await asyncio.gather(*tasks)
            await asyncio.sleep(0.01)
        yield Ports(*(bound.getsockname()[1] for bound in sockets))
    finally:
        services.life.draining = True
        await asyncio.sleep(settings.drain_seconds)
        services.relay.close("the API is shutting down")
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound

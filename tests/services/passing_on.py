"""What every HTTP proxy before the API server does the same way: serve, pass a request on, and an answer back."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from aiohttp import web

HOP_BY_HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "host", "keep-alive", "content-encoding"}
)


@asynccontextmanager
async def serving(
    forward: Callable[[web.Request], Awaitable[web.StreamResponse]], trust: ssl.SSLContext
) -> AsyncIterator[tuple[aiohttp.ClientSession, int]]:
    """A session to the upstream, and the free port of the loopback on which `forward` answers.

    At the end nothing of it is open any more, whatever the client or the upstream was in the midst of: either may
    have been killed, or be too busy to say goodbye.
    """
    handling: set[asyncio.Task[object]] = set()
    upstream: list[socket.socket] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        task: asyncio.Task[object] | None = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            return await forward(request)
        finally:
            handling.discard(task)

    def connected(address: aiohttp.AddrInfoType) -> socket.socket:
        upstream[:] = [each for each in upstream if each.fileno() >= 0]
        upstream.append(socket.socket(*address[:3]))
        return upstream[-1]

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    connector = aiohttp.TCPConnector(ssl=trust, limit=0, socket_factory=connected)
    async with (
        _hung_up(upstream),
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
    ):
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield session, runner.addresses[0][1]
        finally:
            clients = [each.transport for each in runner.server.connections] if runner.server else []
            await runner.cleanup()
            for task in handling:
                task.cancel()
            await asyncio.gather(*handling, return_exceptions=True)
            for transport in clients:
                if transport is not None:
                    transport.abort()


@asynccontextmanager
async def _hung_up(connections: list[socket.socket]) -> AsyncIterator[None]:
    """After the block none of them is open, however it ended."""
    try:
        yield
    finally:
        for each in connections:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        async with asyncio.timeout(60):
            while any(each.fileno() >= 0 for each in connections):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def asked(
    session: aiohttp.ClientSession, upstream: str, request: web.Request, body: bytes, *without: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The upstream's answer to the request; headers `without` (in lower case) aren't passed on."""
    left_out = HOP_BY_HOP.union(without)
    headers = {key: value for key, value in request.headers.items() if key.lower() not in left_out}
    limit = aiohttp.ClientTimeout(total=None, sock_connect=10)
    url = upstream + request.path_qs
    async with session.request(request.method, url, data=body or None, headers=headers, timeout=limit) as answer:
        yield answer


async def begun(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """An answer's status and headers are sent."""
    kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
    response = web.StreamResponse(status=answer.status, headers=kept)
    if "Content-Encoding" in answer.headers:
        response.headers["Content-Encoding"] = answer.headers["Content-Encoding"]
    await response.prepare(request)
    return response


async def relayed(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """The whole answer is sent as it comes."""
    response = await begun(request, answer)
    with suppress(ConnectionResetError, aiohttp.ClientPayloadError):
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response

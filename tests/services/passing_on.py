"""What every HTTP proxy before the API server does the same way: pass a request on, and an answer back as it comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from aiohttp import web

HOP_BY_HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "host", "keep-alive", "content-encoding"}
)


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

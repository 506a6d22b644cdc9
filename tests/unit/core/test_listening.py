"""Ports are served while a block lasts, and end what they have begun."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from forge_core.listening import Server, listening, server

App = Callable[[Any, Any, Any], Awaitable[None]]
HOST = "127.0.0.1"
pytestmark = pytest.mark.anyio


def says(text: str, until: asyncio.Event | None = None, asked: asyncio.Event | None = None) -> App:
    """An ASGI app that answers `text`, once `until` is set; `asked` is set when a request has come."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if asked is not None:
            asked.set()
        if until is not None:
            await until.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})

    return app


def serves(app: App, **more: Any) -> Server:
    return server(app, header_bytes=1000, connections=10, grace=10, **more)


def refuses(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) != 0


async def got(client: httpx2.AsyncClient, port: int) -> httpx2.Response:
    return await client.get(f"http://{HOST}:{port}/")


async def test_each_port_has_its_own_app_and_none_is_open_afterwards() -> None:
    servers = [(0, serves(says("one"))), (0, serves(says("two")))]
    async with httpx2.AsyncClient(trust_env=False) as client:
        async with listening(HOST, *servers) as ports:
            assert [(await got(client, port)).text for port in ports] == ["one", "two"]
        assert [refuses(port) for port in ports] == [True, True]


async def test_an_answer_does_not_wait_until_its_beginning_was_acknowledged() -> None:
    """An answer is sent in two parts; with Nagle's algorithm the second one waits 40 ms."""
    at_once: list[int] = []

    class Noted(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            accepted = transport.get_extra_info("socket")
            at_once.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    async with (
        httpx2.AsyncClient(trust_env=False) as client,
        listening(HOST, (0, serves(says("x"), http=Noted))) as (port,),
    ):
        await got(client, port)
    assert at_once
    assert all(at_once)


async def test_what_is_being_answered_is_finished() -> None:
    until, asked = asyncio.Event(), asyncio.Event()
    async with httpx2.AsyncClient(trust_env=False) as client:
        async with asyncio.timeout(30), listening(HOST, (0, serves(says("at last", until, asked)))) as (port,):
            answer = asyncio.ensure_future(got(client, port))
            await asked.wait()
            asyncio.get_running_loop().call_later(0.2, until.set)
        assert (await answer).text == "at last"


async def test_headers_over_the_limit_are_refused_before_their_end_has_come() -> None:
    async with asyncio.timeout(30), listening(HOST, (0, serves(says("one")))) as (port,):
        reading, writing = await asyncio.open_connection(HOST, port)
        writing.write(b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"x" * 2000)
        assert b"400" in await reading.readline()
        writing.close()
        await writing.wait_closed()


async def test_a_port_that_is_taken_is_told_and_the_others_are_let_go() -> None:
    with socket.socket() as holder, socket.socket() as chosen:
        holder.bind((HOST, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        chosen.bind((HOST, 0))
        free = chosen.getsockname()[1]
        chosen.close()
        with pytest.raises(OSError, match="in use"):
            async with listening(HOST, (free, serves(says("one"))), (taken, serves(says("two")))):
                pass
        assert refuses(free)

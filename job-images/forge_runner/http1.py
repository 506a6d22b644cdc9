"""HTTP/1.1 as a client speaks it: one connection, one call after the other, bounded in time and in size.

The protocol is h11's, the sockets are asyncio's. There is no environment in it: no proxy, no redirect, no cookie, no
credentials. A general client takes longer to import than a delivery takes in all (ADR 0031).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import quote, urlsplit

import h11

from forge_runner.connecting import Streams, connected

CHUNK: Final = 64 * 1024
MAX_HEAD: Final = 64 * 1024
"""Bytes of an answer's status and headers."""
IDLE_SECONDS: Final = 4.0
"""A connection that was not used for longer isn't used again: uvicorn closes one after 5 s."""
_KEPT: Final = "/%:@!$&'()*+,;=-._~"
"""What stays as it is in a path (RFC 3986, 3.3); a percent sign is taken for an escape that is already there."""


class NotReached(Exception):
    """No connection could be made: nothing was sent. The message is the end of a sentence and holds no URL."""


class Broken(Exception):
    """What was sent has no whole answer. The message is the end of a sentence and holds no URL."""


@dataclass(frozen=True)
class Place:
    """Where a connection leads. `authority` is the header Host, `name` the one that a certificate must have."""

    address: str
    port: int
    authority: str
    name: str = ""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Call:
    """One request. A streamed body comes with its header Content-Length."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes] = b""


@dataclass(frozen=True)
class Limits:
    """Seconds: for a connection, and for each piece that is sent or received after it.

    A connection that isn't there after `again` is tried once more beside (forge_runner.connecting), with 0 never.
    """

    connect: float = 5.0
    piece: float = 30.0
    again: float = 0.0


class Connection:
    """One connection. Whoever opened it closes it; a call that broke off leaves nothing that could be used again."""

    def __init__(
        self, place: Place, limits: Limits, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._place = place
        self._limits = limits
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._used = time.monotonic()

    @classmethod
    async def open(cls, place: Place, limits: Limits) -> Self:
        """Connect, and with TLS shake hands. Raises NotReached."""
        name = place.name if place.tls else None

        async def connect(address: str) -> Streams:
            return await asyncio.open_connection(address, place.port, ssl=place.tls, server_hostname=name)

        try:
            async with asyncio.timeout(limits.connect):
                streams = await connected(await _addresses(place), connect, limits.again)
        except ssl.SSLCertVerificationError as error:
            raise NotReached(f"has a certificate that is not trusted: {error.verify_message}"[:300]) from None
        except TimeoutError:
            raise NotReached("could not be connected to in time") from None
        except OSError as error:
            raise NotReached(f"could not be connected to ({type(error).__name__})") from None
        return cls(place, limits, *streams)

    @property
    def idle(self) -> bool:
        """Whether a call can be made on it, as far as is known."""
        between = self._state.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}
        return between and not self._reader.at_eof() and time.monotonic() - self._used < IDLE_SECONDS

    async def call(self, call: Call) -> "Answer":
        """Send it; the answer's body is still to be read. Raises Broken, and whatever a streamed body raises."""
        try:
            await self._send(call)
        except h11.LocalProtocolError:
            raise Broken("broke off (what was to be sent is no HTTP)") from None
        except ConnectionError:
            pass  # who refuses a body may hang up before all of it came: the answer says why
        event = await self.event()
        while isinstance(event, h11.InformationalResponse):
            event = await self.event()
        if not isinstance(event, h11.Response):
            raise Broken("broke off (no answer)")
        headers: dict[str, str] = {}
        for name, value in event.headers:
            headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
        return Answer(event.status_code, headers, self)

    async def _send(self, call: Call) -> None:
        headers = {"Host": self._place.authority, "Accept-Encoding": "identity", **call.headers}
        if isinstance(call.body, bytes) and call.body:
            headers["Content-Length"] = str(len(call.body))
        head = h11.Request(method=call.method, target=call.target, headers=list(headers.items()))
        if isinstance(call.body, bytes):
            await self._write(head, h11.Data(data=call.body), h11.EndOfMessage())
            return
        await self._write(head)
        async for piece in call.body:
            await self._write(h11.Data(data=piece))
        await self._write(h11.EndOfMessage())

    async def _write(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._state.send(event) or b"" for event in events))
        try:
            async with asyncio.timeout(self._limits.piece):
                await self._writer.drain()
        except TimeoutError:
            raise Broken("did not answer in time") from None

    async def event(self) -> h11.Event:
        """The next part of the answer. Raises Broken."""
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._limits.piece):
                    self._state.receive_data(await self._reader.read(CHUNK))
        except TimeoutError:
            raise Broken("did not answer in time") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise Broken(f"broke off ({type(error).__name__})") from None
        if not isinstance(event, h11.Event):
            raise Broken("broke off (it wants to go on in another protocol)")
        return event

    def end_call(self) -> None:
        """Be ready for the next call, if the last one was answered whole and both sides want to go on."""
        with suppress(h11.LocalProtocolError):
            self._state.start_next_cycle()
        self._used = time.monotonic()

    def close(self) -> None:
        """At once; what was to be sent and received has been."""
        self._writer.transport.abort()


async def _addresses(place: Place) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(place.address, place.port, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


@dataclass(frozen=True)
class Answer:
    """Status and headers (names in lower case, the first of several), and the body as it comes."""

    status: int
    headers: Mapping[str, str]
    _connection: Connection

    @property
    def success(self) -> bool:
        """Whether it is one of 2xx."""
        return 200 <= self.status < 300

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises Broken, also when it ends before its length."""
        while isinstance(event := await self._connection.event(), h11.Data):
            yield bytes(event.data)

    async def text(self, limit: int) -> bytes:
        """The whole body. Raises Broken, also when it has more than `limit` bytes."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise Broken(f"answered more than {limit} bytes")
        return bytes(found)


class Client:
    """Calls of one origin, one after the other over one connection, while it lasts."""

    def __init__(self, place: Place, prefix: str, limits: Limits) -> None:
        self._place = place
        self._prefix = prefix
        self._limits = limits
        self._turn = asyncio.Lock()
        self._open: Connection | None = None

    @classmethod
    @asynccontextmanager
    async def of(cls, base_url: str, limits: Limits) -> AsyncIterator[Self]:
        """A client of `http(s)://host[:port][/path]`; nothing is sent before the first call. Raises ValueError."""
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{base_url!r} is no address such as http://forge-api:8081")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        client = cls(
            Place(parts.hostname, port, parts.netloc.rpartition("@")[2], parts.hostname, tls),
            parts.path.rstrip("/"),
            limits,
        )
        try:
            yield client
        finally:
            client._close()

    @asynccontextmanager
    async def call(self, call: Call) -> AsyncIterator[Answer]:
        """Make a call below the client's URL and read its answer within. Raises NotReached, Broken."""
        async with self._turn:
            if self._open is None or not self._open.idle:
                self._close()
                self._open = await Connection.open(self._place, self._limits)
            try:
                yield await self._open.call(replace(call, target=self._prefix + call.target))
            finally:
                self._open.end_call()
                if not self._open.idle:
                    self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def target_of(url: str) -> str:
    """What a request asks for: path and query, with what may not stand in them escaped."""
    parts = urlsplit(url)
    path = quote(parts.path, safe=_KEPT) or "/"
    return path + ("?" + quote(parts.query, safe=_KEPT + "?") if parts.query else "")

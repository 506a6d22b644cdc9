"""The runner's HTTP client against servers that answer by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from forge_runner import http1
from forge_runner.http1 import Broken, Call, Client, Limits, NotReached, target_of
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = Call("GET", "/x", {})
SHORT = Limits(connect=5.0, piece=0.2)
Hand = Callable[["Visit"], Awaitable[None]]


@dataclass
class Visit:
    """One connection as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def request(self) -> bytes:
        """Head and body of one request, b"" at the end."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await self.reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Server:
    """Answers each connection by `hand`."""

    hand: Hand
    port: int = 0
    visits: list[Visit] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer, len(self.visits) + 1)
        self.visits.append(visit)
        try:
            await self.hand(visit)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def served(hand: Hand) -> AsyncIterator[Server]:
    mine = Server(hand)
    server = await asyncio.start_server(mine.serve, "127.0.0.1", 0)
    mine.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mine


def says(*answers: bytes) -> Hand:
    """One answer to each request of a connection, and then the end."""

    async def hand(visit: Visit) -> None:
        for answer in answers:
            await visit.request()
            await visit.say(answer)

    return hand


async def said(client: Client, call: Call = GET, limit: int = 1000) -> tuple[int, bytes]:
    async with client.call(call) as answer:
        return answer.status, await answer.text(limit)


async def forever(visit: Visit) -> None:
    while await visit.request():
        await visit.say(OK)


# --- one connection for many calls -------------------------------------------------------------------------------
async def test_calls_that_follow_one_another_share_a_connection() -> None:
    async with served(forever) as server, Client.of(server.url, Limits()) as client:
        assert [await said(client) for _ in range(3)] == [(200, b"ok")] * 3
        assert len(server.visits) == 1


async def test_calls_at_once_take_their_turn() -> None:
    async with served(forever) as server, Client.of(server.url, Limits()) as client:
        assert await asyncio.gather(*(said(client) for _ in range(5))) == [(200, b"ok")] * 5
        assert len(server.visits) == 1


async def test_a_connection_that_the_server_closed_is_replaced() -> None:
    async with served(says(OK)) as server, Client.of(server.url, Limits()) as client:
        assert await said(client) == (200, b"ok")
        async with asyncio.timeout(5):
            while client._open and client._open.idle:
                await asyncio.sleep(0)
        assert await said(client) == (200, b"ok")
        assert len(server.visits) == 2


async def test_a_connection_that_lay_idle_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "IDLE_SECONDS", 0.0)
    async with served(forever) as server, Client.of(server.url, Limits()) as client:
        assert [await said(client) for _ in range(2)] == [(200, b"ok")] * 2
        assert len(server.visits) == 2


async def test_an_answer_that_was_not_read_to_its_end_ends_the_connection() -> None:
    async with served(forever) as server, Client.of(server.url, Limits()) as client:
        async with client.call(GET) as answer:
            assert answer.success
        assert await said(client) == (200, b"ok")
        assert len(server.visits) == 2


async def test_a_call_that_was_cancelled_leaves_nothing_to_the_next() -> None:
    async def hand(visit: Visit) -> None:
        await visit.request()
        if visit.number > 1:
            await visit.say(OK)
        await visit.request()

    async with served(hand) as server, Client.of(server.url, Limits()) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await said(client)
        assert await said(client) == (200, b"ok")
        assert len(server.visits) == 2


# --- what is sent ------------------------------------------------------------------------------------------------
async def heard(call: Call, prefix: str = "") -> bytes:
    """A request as it comes to the server."""
    requests: list[bytes] = []

    async def hand(visit: Visit) -> None:
        requests.append(await visit.request())
        await visit.say(OK)

    async with served(hand) as server, Client.of(server.url + prefix, Limits()) as client:
        assert await said(client, call) == (200, b"ok")
        return requests[0].replace(str(server.port).encode(), b"PORT")


async def test_a_body_is_sent_with_its_length_and_below_the_clients_path() -> None:
    assert await heard(Call("POST", "/a?b=c", {"X-Y": "z"}, b"{}"), "/base/") == (
        b"POST /base/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAccept-Encoding: identity\r\nX-Y: z\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_a_body_may_come_in_pieces() -> None:
    assert (await heard(Call("PUT", "/a", {"Content-Length": "6"}, pieces(b"abc", b"", b"def")))).endswith(
        b"\r\n\r\nabcdef"
    )


@pytest.mark.parametrize(
    "call",
    [
        Call("PUT", "/a", {"Content-Length": "9"}, pieces(b"abc")),
        Call("PUT", "/a", {"Content-Length": "2"}, pieces(b"abc")),
        Call("GET", "/a", {"Authorization": "Bearer a\r\nX-Injected: yes"}),
        Call("GET", "/a HTTP/1.1\r\nX-Injected: yes\r\n\r\n", {}),
        Call("GET /", "/a", {}),
    ],
)
async def test_what_is_no_http_is_not_sent_as_if_it_were(call: Call) -> None:
    async with served(says(OK)) as server, Client.of(server.url, Limits()) as client:
        with pytest.raises(Broken, match="is no HTTP") as broken:
            await said(client, call)
        assert "Bearer" not in str(broken.value)


async def test_whoever_refuses_a_body_before_its_end_is_heard() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"

    async def hand(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.say(refusal)
        visit.writer.write_eof()
        await visit.reader.read(1)

    many = (b"x" * 65536 for _ in range(2))
    call = Call("PUT", "/a", {"Content-Length": str(2 * 65536)}, pieces(*many))
    async with served(hand) as server, Client.of(server.url, Limits()) as client:
        assert await said(client, call) == (413, b"large")
        assert client._open is None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h", "/"),
        ("https://h/a/b?c=d&e=%20f?g#h", "/a/b?c=d&e=%20f?g"),
        ('https://h/"<{|}>^`', "/%22%3C%7B%7C%7D%3E%5E%60"),
        ("https://h?q={}", "/?q=%7B%7D"),
        ("https://h/%2e%2E/a;b=c", "/%2e%2E/a;b=c"),
    ],
)
def test_what_may_not_stand_in_a_request_is_escaped(url: str, target: str) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize("url", ["", "forge-api:8081", "ftp://h/", "http://", "http://h:port/", "http://h:99999/"])
async def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"no address|[Pp]ort"):
        async with Client.of(url, Limits()):
            pass


async def test_credentials_of_a_base_url_are_told_to_nobody() -> None:
    async with served(says(OK)) as server, Client.of(f"http://me:secret@127.0.0.1:{server.port}", Limits()) as client:
        assert client._place.authority == f"127.0.0.1:{server.port}"


# --- hostile answers ---------------------------------------------------------------------------------------------
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broke off"),
        (HEAD, "broke off"),
        (HEAD + b"Content-Length: 100\r\n\r\nshort", "broke off"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "broke off"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshor", "broke off"),
        (HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n", "broke off"),
        (HEAD + b"X: a\x00b\r\n\r\n", "broke off"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "broke off"),
        (HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, "answered more than 1000 bytes"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 9, "answered more than"),
    ],
)
async def test_what_is_no_whole_answer_is_no_answer(answer: bytes, sentence: str) -> None:
    async with served(says(answer)) as server, Client.of(server.url, Limits()) as client:
        with pytest.raises(Broken, match=sentence):
            await said(client)
        assert client._open is None


@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\nbegun"])
async def test_whoever_goes_silent_is_waited_for_no_longer_than_a_piece_may_take(begun: bytes) -> None:
    async def hand(visit: Visit) -> None:
        await visit.request()
        await visit.say(begun)
        await visit.request()

    async with served(hand) as server, Client.of(server.url, SHORT) as client:
        with pytest.raises(Broken, match="did not answer in time"):
            await said(client)


async def test_whoever_takes_nothing_is_waited_for_no_longer_than_a_piece_may_take() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async def hand(visit: Visit) -> None:
        visit.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a reading transport too
        await visit.reader.readuntil(b"never")

    call = Call("PUT", "/a", {"Content-Length": str(10**12)}, endless())
    async with served(hand) as server, Client.of(server.url, SHORT) as client:
        with pytest.raises(Broken, match="did not answer in time"):
            await said(client, call)


async def test_what_only_announces_an_answer_is_passed_over() -> None:
    announced = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
    async with served(says(announced + OK)) as server, Client.of(server.url, Limits()) as client:
        assert await said(client) == (200, b"ok")


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with served(says(HEAD + b"\r\nall of it")) as server, Client.of(server.url, Limits()) as client:
        assert await said(client) == (200, b"all of it")
        assert client._open is None


async def test_a_header_that_comes_twice_counts_once() -> None:
    twice = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n"
    async with served(says(twice)) as server, Client.of(server.url, Limits()) as client, client.call(GET) as answer:
        assert (answer.status, answer.success, answer.headers["retry-after"]) == (503, False, "1")


def first_packets(port: int) -> int:
    """Connections to a port of which the first packet has no answer yet (state SYN_SENT)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


async def test_a_first_packet_that_is_lost_is_followed_by_another_before_tcp_sends_it_again() -> None:
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # with one connection that nobody took the queue is full: the kernel drops what comes
        filler.connect(listener.getsockname())
        port = listener.getsockname()[1]
        async with Client.of(f"http://127.0.0.1:{port}", Limits(connect=30.0, again=0.05)) as client:
            answered = asyncio.create_task(said(client))

            async def two_lost() -> bool:
                return first_packets(port) >= 2

            await eventually(two_lost)
            serving = asyncio.create_task(asyncio.to_thread(serve_each, listener))
            assert await answered == (200, b"ok")
            assert first_packets(port) == 0, "the others are given up"
        listener.shutdown(socket.SHUT_RDWR)
        await serving


def serve_each(listener: socket.socket) -> None:
    """Answer whoever asks until the listener is shut."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.05)
                with suppress(TimeoutError):  # who filled the queue asks nothing
                    if connection.recv(65536):
                        connection.sendall(OK)


async def test_nobody_listens() -> None:
    async with served(forever) as server:
        port = server.port
    async with Client.of(f"http://127.0.0.1:{port}", Limits()) as client:
        with pytest.raises(NotReached, match="could not be connected to"):
            await said(client)

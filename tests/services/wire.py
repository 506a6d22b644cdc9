"""A TCP connection that a test may cut and mend, between a client of this machine and a server."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

W = TypeVar("W", bound="Wire")


@dataclass
class Wire:
    """Forwards `port` to `target`. While it is cut, connections are refused and those that were open are reset."""

    target: int
    port: int = 0
    host: str = "127.0.0.1"
    """Of the target."""
    _server: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mend(self) -> None:
        """Listen: on a free port the first time, on the same one afterwards."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def cut(self) -> None:
        """Refuse and reset."""
        with self._lock:
            ended = [*([self._server] if self._server else []), *self._open]
            self._server = None
            self._open.clear()
        for each in ended:
            _hang_up(each)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                self._connect(server, server.accept()[0])

    def _connect(self, server: socket.socket, client: socket.socket) -> None:
        """Nothing stays open when the target refuses, or when it was cut meanwhile."""
        try:
            upstream = socket.create_connection((self.host, self.target))
        except OSError:
            _hang_up(client)
            return
        with self._lock:
            meant = self._server is server
            if meant:
                self._open += [client, upstream]
        if not meant:
            _hang_up(client)
            _hang_up(upstream)
            return
        for way, one, other in ((self.upwards, client, upstream), (self.downwards, upstream, client)):
            threading.Thread(target=_pump, args=(way, one, other), daemon=True).start()

    def upwards(self, chunk: bytes, target: socket.socket) -> bool:
        """Pass on what the client sent; False ends the connection."""
        target.sendall(chunk)
        return True

    def downwards(self, chunk: bytes, client: socket.socket) -> bool:
        """Pass on what the target answered; False ends the connection."""
        client.sendall(chunk)
        return True


def _pump(way: Callable[[bytes, socket.socket], bool], one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while (chunk := one.recv(65536)) and way(chunk, other):
            pass
    _hang_up(other)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A whole wire to a port of the loopback."""
    with whole(Wire(target)) as made:
        yield made


@contextmanager
def whole(made: W) -> Iterator[W]:
    """Mended at first, cut at the end."""
    made.mend()
    try:
        yield made
    finally:
        made.cut()

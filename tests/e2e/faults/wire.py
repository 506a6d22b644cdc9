"""A TCP proxy that kills a process when it sees chosen bytes on their way to the server: PostgreSQL's writes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.e2e.faults.proxy import Moment, Trap, Write


@dataclass
class KillingWire:
    """Forwards connections to a port of the loopback; springs `trap` on a chunk that it matches (method `SQL`)."""

    target: int
    trap: Trap | None = None
    port: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator["KillingWire"]:
        """Listen on a free port until the end of the block."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
            try:
                yield self
            finally:
                for each in self._open:
                    _hang_up(each)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.create_connection(("127.0.0.1", self.target))
                self._open += [client, upstream]
                threading.Thread(target=self._upwards, args=(client, upstream), daemon=True).start()
                threading.Thread(target=self._downwards, args=(upstream, client), daemon=True).start()

    def _upwards(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(65536):
                trap = self._trap_for(chunk)
                if trap and trap.moment is Moment.BEFORE_SENT:
                    trap.spring()
                    break
                upstream.sendall(chunk)
                if trap and trap.moment is Moment.AFTER_SENT:
                    trap.spring()
                elif trap:
                    self._answered = trap
        _hang_up(upstream)

    def _downwards(self, upstream: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := upstream.recv(65536):
                client.sendall(chunk)
                if self._answered:
                    self._answered.spring()
                    self._answered = None
        _hang_up(client)

    _answered: Trap | None = None

    def _trap_for(self, chunk: bytes) -> Trap | None:
        trap = self.trap
        armed = trap is not None and not trap.sprung.is_set() and trap.matches(Write("SQL", "", chunk))
        return trap if armed else None


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

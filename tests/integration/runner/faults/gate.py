"""A gate on the loopback: whoever comes first to the place where it is closed is held there until it is opened.

So a fault comes at a point that was reached, whatever the speed of the machine. With the standard library alone, for
a kind's process has this module too.
"""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

GO, EAT = "go", "eat"
"""What whoever passes is told to do: its work, or to take all memory."""
THE_END: Final = "the end"
"""The place of a kind that has done its work, of which nothing is stored yet."""


def pass_by(port: int, place: str) -> str:
    """Wait there until the gate lets us pass; what it says. One that is gone holds nobody."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"{place}\n".encode())
        return line.recv(16).decode().strip() or GO
    return GO


class Gate:
    """Closed at one place at a time, for the first that comes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._lock = threading.Lock()
        self._closed_at = ""
        self._taken = threading.Event()
        self._opened = threading.Event()
        self._word = GO

    def close_at(self, place: str, word: str = GO) -> None:
        """From now on the first that comes there is held, and told `word` when it may go on."""
        with self._lock:
            self._taken, self._opened = threading.Event(), threading.Event()
            self._closed_at, self._word = place, word

    @property
    def taken(self) -> bool:
        """Whether somebody has come there."""
        return self._taken.is_set()

    def open(self, then_at: str = "") -> None:
        """Whoever is held goes on; from now on the first that comes to `then_at` is held, or nobody."""
        opened = self._opened
        self.close_at(then_at)
        opened.set()

    def answer(self, place: str) -> str:
        """As the gatekeeper's own thread."""
        with self._lock:
            if place != self._closed_at:
                return GO
            self._closed_at = ""
            taken, opened, word = self._taken, self._opened, self._word
        taken.set()
        opened.wait()
        return word


class _Gatekeeper(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    gate: Gate


class _Visitor(socketserver.StreamRequestHandler):
    server: _Gatekeeper

    def handle(self) -> None:
        place = self.rfile.readline(200).decode().strip()
        with suppress(OSError):  # it was killed while it waited
            self.wfile.write(f"{self.server.gate.answer(place)}\n".encode())


@contextmanager
def gate_kept() -> Iterator[Gate]:
    """An open gate while the block lasts."""
    with _Gatekeeper(("127.0.0.1", 0), _Visitor) as keeper:
        keeper.gate = Gate(keeper.server_address[1])
        thread = threading.Thread(target=keeper.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield keeper.gate
        finally:
            keeper.gate.open()
            keeper.shutdown()
            thread.join()

"""A real git server that stops in the middle of a pack, until it is told to go on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.workspace import servers
from tests.integration.workspace.servers import GitServer


class Gate:
    """Where answers wait: `reached` once one has come so far, `open` to let all pass."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.reached = threading.Event()
        self.open = threading.Event()

    def passed(self, sent: int) -> None:
        """Wait when enough was sent."""
        if sent >= self.after and not self.open.is_set():
            self.reached.set()
            self.open.wait(300)


class _Gated:
    """A stream whose reader is held up."""

    def __init__(self, stream: Any, gate: Gate) -> None:
        self._stream, self._gate, self._sent = stream, gate, 0

    def readline(self) -> bytes:
        line: bytes = self._stream.readline()
        return line

    def read(self, size: int = -1) -> bytes:
        self._gate.passed(self._sent)
        chunk: bytes = self._stream.read(min(size, 16 * 1024) if size > 0 else size)
        self._sent += len(chunk)
        return chunk


@contextmanager
def gated(root: Path, after: int) -> Iterator[tuple[GitServer, Gate]]:
    """Serve `root`; each answer stops once `after` bytes of it were sent."""
    gate = Gate(after)

    class Handler(servers._Handler):
        def _forward(self, stream: Any) -> None:
            super()._forward(_Gated(stream, gate))

    with GitServer.serving(root, Handler) as server:
        try:
            yield server, gate
        finally:
            gate.open.set()

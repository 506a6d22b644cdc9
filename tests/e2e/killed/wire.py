"""A TCP proxy that kills a process when it sees chosen bytes on their way to the server: PostgreSQL's writes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.killed.proxy import Moment, Trap, Write
from tests.services.wire import Wire, whole


@dataclass
class KillingWire(Wire):
    """Springs `trap` on a chunk that it matches (method `SQL`)."""

    trap: Trap | None = None
    _answered: Trap | None = None

    def upwards(self, chunk: bytes, target: socket.socket) -> bool:
        """Kill before the chunk is sent, after it, or leave it to its answer."""
        trap = self._trap_for(chunk)
        if trap and trap.moment is Moment.BEFORE_SENT:
            trap.spring()
            return False
        target.sendall(chunk)
        if trap and trap.moment is Moment.AFTER_SENT:
            trap.spring()
        elif trap:
            self._answered = trap
        return True

    def downwards(self, chunk: bytes, client: socket.socket) -> bool:
        """Kill after the answer to the chosen chunk."""
        client.sendall(chunk)
        if self._answered:
            self._answered.spring()
            self._answered = None
        return True

    def _trap_for(self, chunk: bytes) -> Trap | None:
        return self.trap if self.trap and self.trap.takes(Write("SQL", "", chunk)) else None


@contextmanager
def killing_wire(host: str, port: int) -> Iterator[KillingWire]:
    """To a server."""
    with whole(KillingWire(port, host=host)) as made:
        yield made

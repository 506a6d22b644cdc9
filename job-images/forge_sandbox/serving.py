"""One connection after the other, one order after the other; between two orders nothing else lives in the container."""

import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forge_core.sandbox import KEPT, READY, TREE, Answer, Ended, Misfit, Order, address, receive, send
from forge_sandbox.ending import end_everybody
from forge_sandbox.running import run
from forge_sandbox.volume import Unfit, clear, unpack


def serve(volume: Path, scratch: Sequence[Path] = ()) -> None:
    """Take orders for ever; `scratch` are further folders to empty. Raises OSError when the address is taken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address(volume))
        listener.listen()
        print(f"sandbox ready on {volume}", flush=True)  # noqa: T201 - the container's log
        while True:
            connection, _ = listener.accept()
            with connection:
                if _of_a_runner(connection):
                    _clear(volume, scratch)
                    _Conversation(connection, volume, scratch).hold()


def _of_a_runner(connection: socket.socket) -> bool:
    """Whoever has our UID is what we run, or was."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", raw)
    return bool(uid != os.getuid())


def _clear(volume: Path, scratch: Sequence[Path], keep: str = "") -> None:
    clear(volume, keep)
    for folder in scratch:
        clear(folder)


@dataclass(frozen=True)
class _Conversation:
    """With one runner; when it goes, what it ordered is ended."""

    connection: socket.socket
    volume: Path
    scratch: Sequence[Path]

    def hold(self) -> None:
        """Until the runner goes, or says what is no order."""
        with suppress(OSError, Misfit):
            send(self.connection, READY)
            while (message := receive(self.connection)) is not None:
                send(self.connection, self._carried_out(Order.decode(message)).encode())

    def _carried_out(self, order: Order) -> Answer:
        """Whatever comes of the order, nothing of it lives when this returns, and of its files only KEPT is left."""
        try:
            for folder in (KEPT, TREE, "run/home", "run/tmp"):
                (self.volume / folder).mkdir(parents=True, exist_ok=True)
            unpack(self.volume, order.archive, self.volume / TREE)
            return run(order, self.volume, self.connection)
        except Unfit as error:
            return Answer(Ended.NOT_STARTED, output=str(error))
        except (OSError, subprocess.SubprocessError) as error:
            return Answer(Ended.NOT_STARTED, output=f"{order.argv[0][:200]}: {error}")
        finally:
            end_everybody()
            _clear(self.volume, self.scratch, KEPT)

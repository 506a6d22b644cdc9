"""The runner's side of the pod's sandbox: gives it a tree and a command, and takes back an answer, nothing else.

What lies on the shared volume is never read here. Only files are put there, each new, under a name that nobody knew.
"""

import hashlib
import os
import shutil
import socket
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from forge_core.names import SANDBOX_PATH, SANDBOX_PATH_ENV
from forge_core.sandbox import KEPT, READY, Answer, Bounds, Ended, Misfit, Order, address, new_archive, receive, send
from forge_core.sandbox import TREE as TREE_FOLDER

CONNECT_SECONDS: Final = 60.0
"""Its container starts first; it may be starting anew."""
MARGIN_SECONDS: Final = 120.0
"""Beyond an order's own time: for unpacking, ending and clearing."""
_POLL_SECONDS: Final = 0.1


def shared_volume() -> Path:
    """Where the pod's sandbox shares its volume with the runner."""
    return Path(os.environ.get(SANDBOX_PATH_ENV, SANDBOX_PATH))


class SandboxLost(Exception):
    """The sandbox isn't there, or has ended, by its memory's limit in most cases. The message is a sentence."""


@dataclass(frozen=True)
class Tree:
    """An archive of a commit in the runner's own folder, and files that differ from it."""

    archive: Path
    changed: Mapping[bytes, bytes] = field(default_factory=dict)

    def write(self, target: IO[bytes]) -> None:
        """The archive with the changed files in place of their old selves."""
        with self.archive.open("rb") as source:
            shutil.copyfileobj(source, target)
        if not self.changed:
            return
        target.seek(0)
        with tarfile.open(fileobj=target, mode="a") as tar:
            modes = {member.name: member.mode for member in tar.getmembers()}
            for path, body in self.changed.items():
                member = tarfile.TarInfo(os.fsdecode(path))
                member.size, member.mode = len(body), modes.get(member.name, 0o644)
                tar.addfile(member, BytesIO(body))


class Sandbox:
    """A connection. Everything on the volume is gone when it is opened, and what KEPT holds lasts as long as it."""

    def __init__(self, volume: Path, connection: socket.socket) -> None:
        self._volume = volume
        self._connection = connection

    @classmethod
    @contextmanager
    def connected(cls, volume: Path, seconds: float | None = None) -> Iterator["Sandbox"]:
        """The sandbox that works on this volume, once it is there. Raises SandboxLost."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            seconds = CONNECT_SECONDS if seconds is None else seconds
            connection.settimeout(seconds)
            _connect(connection, address(volume), seconds)
            sandbox = cls(volume, connection)
            if sandbox._hear() != READY:
                raise SandboxLost("What answers in the sandbox's place is none.")
            yield sandbox

    @property
    def kept(self) -> Path:
        """A folder in there that lasts from one order to the next."""
        return self._volume / KEPT

    @property
    def tree(self) -> Path:
        """Where a command runs."""
        return self._volume / TREE_FOLDER

    def run(
        self, argv: Sequence[str], bounds: Bounds, tree: Tree | None = None, environment: Mapping[str, str] = {}
    ) -> Answer:
        """Run a command in there, in a fresh copy of the tree. Raises SandboxLost, and Misfit for what is no order."""
        order = Order(tuple(argv), dict(environment), ("", ""), bounds).checked()
        if tree is not None:
            try:
                order = replace(order, archive=self._handed_over(tree))
            except OSError as error:
                return Answer(Ended.NOT_STARTED, output=f"the tree can't be put on the volume: {error.strerror}")
        try:
            return self._answer(order)
        finally:
            if tree is not None:
                with suppress(OSError):
                    (self._volume / order.archive[0]).unlink()

    def _answer(self, order: Order) -> Answer:
        try:
            self._connection.settimeout(order.bounds.seconds + MARGIN_SECONDS)
            send(self._connection, order.encode())
        except OSError as error:
            raise SandboxLost(f"The sandbox can't be told what to run: {error.strerror or error}.") from None
        return Answer.decode(self._hear())

    def _handed_over(self, tree: Tree) -> tuple[str, str]:
        name = new_archive()
        path = self._volume / name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(path, flags, 0o644), "w+b") as stream:  # noqa: PTH123 - a descriptor that follows no link
                os.fchmod(stream.fileno(), 0o644)
                tree.write(stream)
                stream.seek(0)
                return name, hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise

    def _hear(self) -> bytes:
        try:
            message = receive(self._connection)
        except (OSError, Misfit) as error:
            raise SandboxLost(f"The sandbox doesn't answer: {error}.") from None
        if message is None:
            raise SandboxLost("The sandbox has ended; it may have used more memory than its limit.")
        return message


def _connect(connection: socket.socket, where: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connection.connect(where)
        except OSError as error:
            if time.monotonic() > deadline:
                raise SandboxLost(f"The pod's sandbox can't be reached: {error.strerror}.") from None
        time.sleep(_POLL_SECONDS)

"""How a runner tells its pod's sandbox what to run, and is told how it ended (ADR 0022). Standard library only.

The tree to work on is an archive on the volume that the two share. The order and its answer go through an abstract
socket that the sandbox holds: no program in there can take its name, speak in its place, or hear the order.
"""

import hashlib
import json
import os
import re
import secrets
import socket
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

MAX_ARGUMENTS: Final = 200
MAX_ARGUMENT: Final = 4096
MAX_VARIABLES: Final = 50
MAX_SECONDS: Final = 3600.0
MAX_MESSAGE: Final = 4 * 1024**2
MAX_KEPT_OUTPUT: Final = 512 * 1024
"""Each byte may take six in an answer."""
MEBIBYTE: Final = 1024**2

READY: Final = b"ready"
"""What the sandbox says first: the volume is empty, and nobody lives there."""
TREE: Final = "run/tree"
"""Below the volume: where the archive is unpacked and the command runs. Gone after each order, as all of `run` is."""
KEPT: Final = "kept"
"""Below the volume: what stays from one order to the next of the same connection."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ARCHIVE: Final = re.compile(r"tree-[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Misfit(ValueError):
    """A message that is none of the protocol's; it says what is wrong."""


class Ended(StrEnum):
    """How an order ended."""

    EXITED = "exited"
    """By itself; `code` says how, negative for the signal that killed it."""
    TIMEOUT = "timeout"
    OUTPUT = "output"
    """It printed more than it may."""
    MEMORY = "memory"
    """All its processes together came near the container's limit."""
    NOT_STARTED = "not-started"
    """There is no such program, or the tree could not be unpacked; `output` says what."""


@dataclass(frozen=True)
class Bounds:
    """What one order may use. Bytes, but for `seconds` by the clock and a number of `processes`, threads included."""

    seconds: float = 600.0
    processes: int = 256
    data: int = 2048 * MEBIBYTE
    """Memory that one process may have for itself (RLIMIT_DATA)."""
    file: int = 512 * MEBIBYTE
    output: int = 64 * MEBIBYTE
    """Printed in all; more ends the order."""
    kept: int = 256 * 1024
    """Printed and answered: the beginning and, mostly, the end."""

    def checked(self) -> Self:
        """Itself. Raises Misfit."""
        numbers = (self.processes, self.data, self.file, self.output, self.kept)
        if not all(isinstance(number, int) and 0 < number < 2**50 for number in numbers):
            raise Misfit("a bound is no whole number over 0")
        if not isinstance(self.seconds, int | float) or not 0 < self.seconds <= MAX_SECONDS:
            raise Misfit(f"seconds must be over 0 and at most {MAX_SECONDS:.0f}")
        if self.kept > MAX_KEPT_OUTPUT:
            raise Misfit(f"at most {MAX_KEPT_OUTPUT} bytes of output are answered")
        return self


@dataclass(frozen=True)
class Order:
    """One command. `archive` is the name of a tar file on the volume and its SHA-256, or two times ""."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    archive: tuple[str, str] = ("", "")
    bounds: Bounds = field(default_factory=Bounds)

    def encode(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read one. Raises Misfit."""
        try:
            found = json.loads(message)
            order = cls(
                tuple(found["argv"]), dict(found["environment"]), tuple(found["archive"]), Bounds(**found["bounds"])
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Misfit(f"the order can't be read: {type(error).__name__}") from None
        return order.checked()

    def checked(self) -> Self:
        """Itself. Raises Misfit."""
        if not 0 < len(self.argv) <= MAX_ARGUMENTS or not all(_is_argument(each) for each in self.argv):
            raise Misfit(f"a command is 1 to {MAX_ARGUMENTS} texts of at most {MAX_ARGUMENT} characters, without NUL")
        if len(self.environment) > MAX_VARIABLES:
            raise Misfit(f"more than {MAX_VARIABLES} variables")
        if not all(_VARIABLE.fullmatch(name) and _is_argument(text) for name, text in self.environment.items()):
            raise Misfit("a variable has a name or a text that none can have")
        if self.archive != ("", "") and not _is_archive(self.archive):
            raise Misfit("an archive is named by tree- and 32 hexadecimal digits, and its SHA-256")
        self.bounds.checked()
        return self


def _is_argument(text: object) -> bool:
    return isinstance(text, str) and len(text) <= MAX_ARGUMENT and "\0" not in text


def _is_archive(archive: tuple[Any, ...]) -> bool:
    if len(archive) != 2 or not all(isinstance(part, str) for part in archive):
        return False
    name, digest = archive
    return bool(_ARCHIVE.fullmatch(name) and _DIGEST.fullmatch(digest))


@dataclass(frozen=True)
class Answer:
    """How an order ended, and what it printed (standard output and error as they came)."""

    ended: Ended
    code: int = 0
    output: str = ""

    def encode(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read one. Raises Misfit."""
        try:
            found = json.loads(message)
            answer = cls(Ended(found["ended"]), found["code"], found["output"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Misfit(f"the answer can't be read: {type(error).__name__}") from None
        if not isinstance(answer.code, int) or not isinstance(answer.output, str):
            raise Misfit("the answer's code is no number or its output no text")
        return answer


def address(volume: Path) -> str:
    """The abstract socket of the sandbox that works on this volume, as both its sides see it mounted."""
    return "\0forge-sandbox-" + hashlib.sha256(os.fsencode(volume)).hexdigest()[:32]


def send(connection: socket.socket, message: bytes) -> None:
    """One message, after its length. Raises OSError."""
    connection.sendall(len(message).to_bytes(4, "big") + message)


def receive(connection: socket.socket) -> bytes | None:
    """The next message, None when the other side has gone. Raises OSError, and Misfit for one that is too long."""
    head = _exactly(connection, 4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > MAX_MESSAGE:
        raise Misfit(f"a message of {length} bytes is over {MAX_MESSAGE}")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    body = bytearray()
    while len(body) < length:
        part = connection.recv(min(length - len(body), 1 << 16))
        if not part:
            return None
        body += part
    return bytes(body)


def new_archive() -> str:
    """The name of an archive that nobody can have foreseen."""
    return f"tree-{secrets.token_hex(16)}"

"""One command within its bounds: watched until it ends, is out of bounds, or nobody wants its answer any more."""

import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from forge_core.sandbox import TREE, Answer, Bounds, Ended, Order
from forge_sandbox.ending import end_everybody, status_of

_TICK: Final = 0.05
_CHUNK: Final = 1 << 16
_OPEN_FILES: Final = 1024
_NICE: Final = 5
"""What is run gives way to its watcher."""
_CGROUP: Final = Path("/sys/fs/cgroup")
_MEMORY_SHARE: Final = 0.9
"""Of the container's memory: over its limit the kernel would end the watcher too."""


class Output:
    """What was printed: the beginning and the end of it, and how much there was."""

    def __init__(self, kept: int) -> None:
        self._first = kept // 4
        self._last = kept - self._first
        self._head, self._tail = bytearray(), bytearray()
        self.total = 0

    def add(self, chunk: bytes) -> None:
        """More of it."""
        self.total += len(chunk)
        room = self._first - len(self._head)
        self._head += chunk[:room]
        self._tail = (self._tail + chunk[room:])[-self._last :]

    def text(self) -> str:
        """Both, with a line between that tells how much is missing."""
        missing = self.total - len(self._head) - len(self._tail)
        gap = f"\n[{missing:,} bytes left out]\n".encode() if missing else b""
        return bytes(self._head + gap + self._tail).decode(errors="replace")


def run(order: Order, volume: Path, connection: socket.socket) -> Answer:
    """Run it to its end; of what it started nothing is left. Raises OSError when it can't be started."""
    child = _started(order, volume)
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    output = Output(order.bounds.kept)
    with child.stdout as stream:
        os.set_blocking(stream.fileno(), False)
        ended, code = _watched(child.pid, order.bounds, output, stream, connection)
        child.returncode = code
        end_everybody()
        _drain(stream, order.bounds, output)
    return Answer(ended, code, output.text())


def _started(order: Order, volume: Path) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(volume / "run/home"), "TMPDIR": str(volume / "run/tmp"),
        "USER": "sandbox", "LOGNAME": "sandbox", "LC_ALL": "C.UTF-8", "CI": "true",
        **order.environment,
    }  # fmt: skip
    return subprocess.Popen(
        order.argv, cwd=volume / TREE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=lambda: _confine(order.bounds),  # noqa: PLW1509 - there is one thread
    )  # fmt: skip


def _confine(bounds: Bounds) -> None:
    limits = (
        (resource.RLIMIT_NPROC, bounds.processes), (resource.RLIMIT_DATA, bounds.data),
        (resource.RLIMIT_FSIZE, bounds.file), (resource.RLIMIT_NOFILE, _OPEN_FILES), (resource.RLIMIT_CORE, 0),
    )  # fmt: skip
    for kind, limit in limits:
        highest = resource.getrlimit(kind)[1]
        value = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(kind, (value, value))
    os.nice(_NICE)
    for number in (signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def _watched(
    child: int, bounds: Bounds, output: Output, stream: IO[bytes], connection: socket.socket
) -> tuple[Ended, int]:
    deadline = time.monotonic() + bounds.seconds
    crowded = memory_watch(_CGROUP)
    listening = [stream.fileno(), connection.fileno()]
    while True:
        ready = select.select(listening, [], [], _TICK)[0]
        if connection.fileno() in ready:
            raise ConnectionAbortedError("the runner has gone")  # while it waits it says nothing
        if stream.fileno() in ready and not _read(stream, output):
            listening.remove(stream.fileno())  # closed, which doesn't mean that it has ended
        status = status_of(child)
        if status is not None:
            return Ended.EXITED, os.waitstatus_to_exitcode(status)
        if output.total > bounds.output:
            return Ended.OUTPUT, 0
        if time.monotonic() > deadline:
            return Ended.TIMEOUT, 0
        if crowded():
            return Ended.MEMORY, 0


def _read(stream: IO[bytes], output: Output) -> bool:
    """Whether more may come."""
    try:
        chunk = os.read(stream.fileno(), _CHUNK)
    except BlockingIOError:
        return True
    output.add(chunk)
    return bool(chunk)


def _drain(stream: IO[bytes], bounds: Bounds, output: Output) -> None:
    """What is left in the pipe, which nobody can fill any more."""
    while output.total <= bounds.output:
        before = output.total
        if not _read(stream, output) or output.total == before:
            return


def memory_watch(cgroup: Path) -> Callable[[], bool]:
    """Whether the container's processes and its volume come near its memory limit (cgroup v2); never without one."""
    try:
        limit = int((cgroup / "memory.max").read_text()) * _MEMORY_SHARE
    except (OSError, ValueError):
        return lambda: False

    def crowded() -> bool:
        try:
            lines = [line.split() for line in (cgroup / "memory.stat").read_text().splitlines()]
            return sum(int(count) for name, count in lines if name in {"anon", "shmem"}) > limit
        except (OSError, ValueError):
            return False

    return crowded

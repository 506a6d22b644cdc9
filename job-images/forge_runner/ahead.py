"""A process for the first attempt, forked as soon as the runner has imported what both need.

A fresh interpreter takes a quarter of a second of a processor for its imports, more than many a delivery takes in all.
It is forked before there are threads or an event loop, and before a secret is read; then it waits for its orders with
no variable but those that they bring. Later attempts, which are rare, are executed (process.py): by then the runner
isn't fit to be forked.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from forge_core.starting import leave
from forge_runner.channels import Channels

Work = Callable[[int, Path, Path, str], None]
"""Given the descriptor of its report, the folders to work in and for the result, and the assignment."""


class Ahead:
    """The runner's side of it; like asyncio's Process once it has begun."""

    def __init__(self, pid: int, line: socket.socket, channels: Channels) -> None:
        self.pid = pid
        self.channels = channels
        self.waits = True
        """Whether it has no orders yet."""
        self._line = line
        self._code: int | None = None

    @classmethod
    def fork(cls, work: Work) -> "Ahead":
        """Fork it. In the process itself this ends by SystemExit, after `work` or when no orders came."""
        sys.stdout.flush()
        ours, theirs = socket.socketpair()
        channels = Channels()
        pid = os.fork()
        if pid == 0:
            ours.close()
            channels.close()
            _wait_and_work(theirs, channels, work)
        theirs.close()
        channels.hand_over()
        return cls(pid, ours, channels)

    def begin(self, assignment: str, folders: tuple[str, str, str], environment: Mapping[str, str]) -> None:
        """Give it its orders: the work's folder, the result's, and one for what else it writes. Raises OSError.

        From then on it leads a group of its own, which can be signalled.
        """
        self.waits = False
        orders = {"assignment": assignment, "folders": folders, "environment": dict(environment)}
        with self._line as line:
            if not line.recv(1):
                raise ChildProcessError("the process that waited is gone")
            line.sendall(json.dumps(orders).encode())

    async def wait(self) -> int:
        """Its exit code, negative for a signal."""
        if self._code is None:
            await self._ended()
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    async def _ended(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        """A process that waits still has nothing to do, and goes."""
        if self.waits:
            self.waits = False
            self._line.close()
            self.channels.close()
            os.waitpid(self.pid, 0)


def _wait_and_work(line: socket.socket, channels: Channels, work: Work) -> None:
    """As an executed program would begin: a session of its own, its output where it is heard, nobody's handlers."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    os.environ.clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (channels.output_in, 1), (channels.output_in, 2)):
        os.dup2(ours, theirs)
    os.close(nothing)
    os.close(channels.output_in)
    text = b""
    with suppress(OSError), line, line.makefile("rb") as stream:
        line.sendall(b".")
        text = stream.read()
    if not text:
        leave(0)
    given = json.loads(text)
    workdir, out, tmp = map(Path, given["folders"])
    sys.argv[1:] = [str(channels.report_in), str(workdir), str(out)]
    os.environ.update(given["environment"])
    os.chdir(tmp)
    if not sys.flags.safe_path:
        del sys.path[0]  # where the runner's own program lies
    work(channels.report_in, workdir, out, given["assignment"])
    leave(0)

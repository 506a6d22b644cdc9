"""One kind's process: in its own session without secrets, heard through bounded lines, ended as a whole.

It is the one that was forked ahead (ahead.py), or another program that is executed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from forge_core.messages import MAX_LINE
from forge_core.names import CLONES_TOKEN_PATH_ENV, CLONES_URL_ENV, SANDBOX_PATH_ENV, SECRET_PATH_ENV
from forge_runner.ahead import Ahead
from forge_runner.channels import Channels
from forge_runner.pipe import MAX_PIPE_LINE, Failed, Finished, Logged, Progressed, decode_line
from forge_runner.reaping import end_all_children, signal_group

COMMAND: Final = (sys.executable, "-P", "-s", "-m", "forge_runner.child")
"""The working folder, which may hold a stranger's repository, never decides what Python imports."""
_DRAIN_SECONDS: Final = 5.0
_CHUNK: Final = 64 * 1024
_HANDED_ON: Final = (
    "PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", SECRET_PATH_ENV, SANDBOX_PATH_ENV, CLONES_URL_ENV,
    CLONES_TOKEN_PATH_ENV,
)  # fmt: skip
"""Variables of the pod that the work may see."""


@dataclass(frozen=True)
class Folders:
    """The three empty folders of one attempt."""

    work: Path
    out: Path
    tmp: Path


@dataclass
class Heard:
    """What the process said so far, and where its lines go."""

    on_progress: Callable[[Progressed], None]
    on_log: Callable[[str], None]
    last: Failed | Finished | None = None
    misfits: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, line: bytes) -> None:
        """One line of the pipe."""
        match decode_line(line):
            case Progressed() as progressed:
                self.on_progress(progressed)
            case Logged(line=text):
                self.on_log(text)
            case Failed() | Finished() as last:
                self.last = self.last or last
            case None:
                self.misfits += 1


@dataclass(frozen=True)
class Order:
    """What to run, and how long it may stay after SIGTERM.

    `command` is executed where no process waits `ahead`. `handed_on` are further variables that the work may see.
    `sweep` ends what left the process group, and says whether it could.
    """

    assignment: str
    folders: Folders
    grace: float
    command: Sequence[str] = COMMAND
    ahead: Ahead | None = None
    handed_on: Mapping[str, str] = field(default_factory=dict)
    sweep: Callable[[], bool] = end_all_children


async def run(order: Order, timeout: float, heard: Heard) -> int | None:
    """Run it to its end and return its exit code (negative: the signal), or None when `timeout` seconds were over.

    However this ends, by cancellation too, nothing that it started is left.
    """
    async with _started(order, heard) as process:
        try:
            async with asyncio.timeout(timeout):
                return await process.wait()
        except TimeoutError:
            await _stop(process, order.grace)
            return None


class _Process(Protocol):
    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...


@asynccontextmanager
async def _started(order: Order, heard: Heard) -> AsyncIterator[_Process]:
    """The running process with its listeners. Leaving ends all processes first, so that the pipes reach their end."""
    process, channels = await _begun(order)
    listeners = [
        asyncio.ensure_future(_listen(channels.report_out, MAX_PIPE_LINE + 1, heard.take)),
        asyncio.ensure_future(_listen(channels.output_out, MAX_LINE, lambda line: heard.on_log(_text(line)))),
    ]
    try:
        yield process
    finally:
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        if not order.sweep():
            heard.on_log("some processes of the attempt could not be ended")
        _done, late = await asyncio.wait(listeners, timeout=_DRAIN_SECONDS)
        for listener in late:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


async def _begun(order: Order) -> tuple[_Process, Channels]:
    environment = {**_environment(order.folders), **order.handed_on}
    if order.ahead and order.ahead.waits:
        folders = order.folders
        order.ahead.begin(order.assignment, (str(folders.work), str(folders.out), str(folders.tmp)), environment)
        return order.ahead, order.ahead.channels
    return await _executed(order, environment)


async def _executed(order: Order, environment: Mapping[str, str]) -> tuple[_Process, Channels]:
    """The assignment is its standard input: a file in memory, for a pipe may be smaller."""
    with os.fdopen(os.memfd_create("assignment"), "w+b") as assignment:
        assignment.write(order.assignment.encode())
        assignment.seek(0)
        channels = Channels()
        try:
            process = await asyncio.create_subprocess_exec(
                *order.command, str(channels.report_in), str(order.folders.work), str(order.folders.out),
                stdin=assignment, stdout=channels.output_in, stderr=channels.output_in, pass_fds=(channels.report_in,),
                start_new_session=True, env=environment, cwd=order.folders.tmp,
            )  # fmt: skip
        except BaseException:
            channels.close()
            raise
        finally:
            channels.hand_over()
        return process, channels


async def _stop(process: _Process, grace: float) -> None:
    """Ask the whole group to end; whoever has not within `grace` seconds is killed when `_started` is left."""
    signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await process.wait()


async def _listen(descriptor: int, limit: int, take: Callable[[bytes], None]) -> None:
    """Hand each line to `take`, cut to `limit` bytes: the rest of a longer one is read and forgotten."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=_CHUNK)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    try:
        line = b""
        while chunk := await reader.read(_CHUNK):
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                take((line + part)[:limit])
                line = b""
            line = (line + rest)[:limit]
        if line:
            take(line)
    finally:
        transport.close()


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")


def _environment(folders: Folders) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    ours = [path for path in os.environ.get("PYTHONPATH", "").split(":") if Path(path).is_absolute()]
    if ours:
        kept["PYTHONPATH"] = ":".join(ours)  # where the image keeps the project; an empty part would mean "here"
    return {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folders.tmp),
        "TMPDIR": str(folders.tmp),
    }

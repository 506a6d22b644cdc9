"""Runs one git command: its progress is read as it comes, its size and time are bounded, its complaints are kept."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

MAX_COMPLAINT: Final = 16 * 1024
_LOOK_SECONDS: Final = 0.5
_CHUNK: Final = 64 * 1024
_END_OF_LINE: Final = re.compile(rb"[\r\n]+")

Hear = Callable[[str], None]
Check = Callable[[], str]
"""Looks at what a command has done so far; "" or the sentence for which it is stopped."""


class Stopped(Exception):
    """The command was stopped by us; the message says why."""


class Failed(Exception):
    """The command ended with an error; the message is its standard error."""


@dataclass(frozen=True)
class Git:
    """git with a fixed environment and repository folder."""

    environment: Mapping[str, str]
    git_dir: Path
    seconds: float
    hear: Hear = field(default=lambda _line: None)
    """Called with each line of standard error, progress included."""
    keep_open: tuple[int, ...] = ()
    """File descriptors that each command holds too, such as a lock that lasts as long as the last who writes."""
    own_group: bool = False
    """Each command has a process group of its own, which is ended as a whole: for a caller that lives on."""

    @contextmanager
    def running(
        self, *arguments: str, check: Check = lambda: "", work_tree: Path | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The command with its pipes; leaving the block waits for its end. Raises Failed or Stopped.

        Without `own_group` it stays in the caller's group, which is killed as a whole when the attempt times out.
        """
        where = ["--work-tree", str(work_tree)] if work_tree else []
        command = ["git", "--git-dir", str(self.git_dir), *where, *arguments]
        with subprocess.Popen(
            command,
            env=dict(self.environment),
            cwd=work_tree or self.git_dir.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=self.keep_open,
            process_group=0 if self.own_group else None,
        ) as child:
            watch = _Watch(self, child, check)
            ears = threading.Thread(target=watch.listen, args=(child.stderr, self.hear), daemon=True)
            ears.start()
            looking = threading.Thread(target=watch.look, daemon=True)
            looking.start()
            try:
                yield child
            except BrokenPipeError:
                pass  # it ended before it read all: its complaint says why
            except BaseException:
                self.end(child, signal.SIGKILL)
                raise
            finally:
                if child.stdin and not child.stdin.closed:
                    with suppress(BrokenPipeError):
                        child.stdin.close()
                while child.stdout and child.stdout.read(_CHUNK):
                    pass  # what nobody wanted is dropped as it comes: there may be any amount of it
                child.wait()
                ears.join()
                looking.join()
        if watch.reason:
            raise Stopped(watch.reason)
        if child.returncode != 0:
            raise Failed(watch.complaint)

    def end(self, child: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to a command that was started here, and to all that it started if it has a group of its own."""
        if not self.own_group:
            child.send_signal(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)

    def output(self, *arguments: str, limit: int = 64 * 1024) -> str:
        """What the command prints, at most `limit` bytes of it."""
        with self.running(*arguments) as child:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            return child.stdout.read(limit).decode(errors="replace").strip()


class _Watch:
    """The two threads beside a command: one hears its standard error, one looks at time and size."""

    def __init__(self, git: Git, child: subprocess.Popen[bytes], check: Check) -> None:
        self._git = git
        self._child = child
        self._check = check
        self.reason = ""
        self.complaint = ""

    def listen(self, stream: IO[bytes] | None, hear: Hear) -> None:
        rest = b""
        kept: list[str] = []
        while stream and (chunk := os.read(stream.fileno(), 8192)):
            *lines, rest = _END_OF_LINE.split((rest + chunk)[-MAX_COMPLAINT:])
            for line in [raw.decode(errors="replace") for raw in lines if raw]:
                kept = [*kept[-200:], line] if "%" not in line else kept
                hear(line)
        kept.append(rest.decode(errors="replace"))
        self.complaint = "\n".join(kept)[-MAX_COMPLAINT:]

    def look(self) -> None:
        end = time.monotonic() + self._git.seconds
        while self._child.poll() is None:
            reason = self._check()
            if not reason and time.monotonic() > end:
                reason = f"git did not end within {self._git.seconds:.0f} seconds"
            if reason:
                self.reason = reason
                self._git.end(self._child, signal.SIGTERM)  # git takes its own helpers with it
                try:
                    self._child.wait(5)
                except subprocess.TimeoutExpired:
                    self._git.end(self._child, signal.SIGKILL)
                return
            try:
                self._child.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue

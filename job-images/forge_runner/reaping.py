"""Nothing that an attempt started outlives it, not even what left its process group."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
SECONDS: Final = 3.0


def adopt_orphans() -> None:
    """Let orphaned descendants become this process's children, as they do anyway where it is PID 1."""
    if os.getpid() != 1:
        import ctypes  # noqa: PLC0415 - slow to import, and a pod's runner is its first process

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal the whole process group that `leader` leads; a group that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def end_all_children(seconds: float = SECONDS) -> bool:
    """Kill every child, and whoever becomes one thereby, until none is left; False when some survive `seconds`.

    For a process that has no child it would keep: the runner between two attempts.
    """
    deadline = time.monotonic() + seconds
    while children := list(_children()):
        for child in children:
            _kill(child)
        _reap()
        if time.monotonic() > deadline:
            return _end_everybody()
    return True


def _end_everybody() -> bool:
    """For processes that multiply faster than they are found. A container's first process may kill all others at once,
    which nothing escapes; not the first choice, for somebody may be looking around in there by `kubectl exec`.
    """
    if os.getpid() != 1:
        return False
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    _reap()
    return True


def _kill(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _children() -> Iterator[int]:
    """PIDs whose parent is this process, zombies included (proc(5): the fields after the name in parentheses)."""
    me = os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                if int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1]) == me:
                    yield int(entry.name)

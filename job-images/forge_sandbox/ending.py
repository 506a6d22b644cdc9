"""Nothing that an order started outlives it."""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final

SECONDS: Final = 30.0
_AT_ONCE: Final = 1000
"""Dead processes that are buried in one go: a fork bomb makes new ones meanwhile."""


def end_everybody() -> None:
    """Kill every process but this one, the container's first. One that won't die ends the container with it."""
    deadline = time.monotonic() + SECONDS
    while True:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        if not _anybody_left():
            return
        if time.monotonic() > deadline:
            sys.exit("a process can't be ended: the container ends instead")
        time.sleep(0.005)


def status_of(child: int) -> int | None:
    """The wait status of a child that has ended, else None. Orphans that have ended are buried on the way."""
    for _ in range(_AT_ONCE):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return status
        if pid == 0:
            return None
    return None


def _anybody_left() -> bool:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return True
        except ChildProcessError:
            return False

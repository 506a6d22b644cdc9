"""Programs of ours as processes that are forked from one that has imported them.

The same program with the same environment; only its imports, more than a second of a processor each time, are those of
the session's first. That `python -m` starts it too is seen in pods.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["forge_operator.program"])


class Forked:
    """A process of a program, by its module with `main()`; what it prints is added to `log`."""

    def __init__(self, program: str, environment: Mapping[str, str], log: Path) -> None:
        self._process: ForkServerProcess = FORKS.Process(target=_run, args=(program, dict(environment), str(log)))
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, that of a signal below 0; None while it runs."""
        return self._process.exitcode

    def signal(self, number: int) -> None:
        """Send it a signal, if it hasn't ended."""
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Its exit code once it has ended; AssertionError when it doesn't."""
        self._process.join(seconds)
        assert self.code is not None, f"it had not ended after {seconds} s"
        return self.code

    def kill(self) -> None:
        """End it, if it runs."""
        self.signal(signal.SIGKILL)
        self.wait()


def _run(program: str, environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with Path(log).open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(import_module(program).main())

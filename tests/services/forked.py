"""Processes of ours that are forked from one that has imported the operator, more than a second's work of a processor.

Of each session of tests that one is the first; the rest is the same as with an interpreter of their own: a process, its
environment, its end by any signal.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from kubernetes.aio.config import kube_config as aio_kube_config
from kubernetes.config import kube_config

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["forge_operator.program"])


class Forked:
    """A process that calls a function of a module with these arguments."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._process = FORKS.Process(target=function, args=arguments)
        self._process.start()

    @classmethod
    def program(cls, module: str, environment: Mapping[str, str], log: Path) -> "Forked":
        """The program whose `main()` a module has; what it prints is added to `log`."""
        return cls(_run, module, dict(environment), log)

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


def _run(module: str, environment: Mapping[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for client in (kube_config, aio_kube_config):  # both have read it while they were imported
        client.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(import_module(module).main())

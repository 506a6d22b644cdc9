"""Runs a program over a repository's files, bounded in CPU, clock, memory and output, and with a bare environment."""

import os
import resource
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from forge_runner.report import Transient

PATIENCE: Final = 10
"""How many times its CPU seconds a program may take by the clock."""
ADDRESS_SPACE: Final = 2 * 1024**3
"""Bytes; a file that makes a program grow ends that process and not the pod."""
MAX_OUTPUT: Final = 64 * 1024 * 1024
_PASSED: Final = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def available_cpus(quota: Path = _QUOTA) -> int:
    """Whole CPUs, at least one: the smaller of what the scheduler lets us use and the container's limit (cgroup v2)."""
    allowed = len(os.sched_getaffinity(0))
    try:
        limit, period = quota.read_text().split()[:2]
        if limit != "max":
            allowed = min(allowed, int(limit) // int(period))
    except (OSError, ValueError):
        pass
    return max(1, allowed)


def bare_environment() -> dict[str, str]:
    """What programs need of the runner's environment; its tokens and passwords stay out."""
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def output(
    command: Sequence[str], folder: Path, cpu_seconds: int, *, stdin: bytes = b"", environment: Mapping[str, str] = {}
) -> tuple[bytes, int] | None:
    """What a program prints and its exit code, None when it printed too much. Raises Transient when it can't start.

    A program that was killed, by us or by its limits, has a negative code; `folder` is neutral and where it runs.
    """
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**bare_environment(), **environment},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise Transient(f"{Path(command[0]).name} could not be started: {error.strerror}.") from None
    with child:
        _limit(child.pid, cpu_seconds)
        clock = threading.Timer(cpu_seconds * PATIENCE, child.kill)
        clock.start()
        feeding = threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True)
        feeding.start()
        try:
            printed = _bounded(child.stdout)
        finally:
            clock.cancel()
        if printed is None:
            child.kill()
    feeding.join()
    return (printed, child.returncode) if printed is not None else None


def _feed(stream: IO[bytes] | None, body: bytes) -> None:
    if stream:
        with suppress(BrokenPipeError, ValueError), stream:
            stream.write(body)


def _limit(pid: int, cpu_seconds: int) -> None:
    limits = ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CORE, 0))
    with suppress(ProcessLookupError):  # it has ended already
        for kind, limit in limits:
            resource.prlimit(pid, kind, (limit, limit))


def _bounded(stream: IO[bytes] | None) -> bytes | None:
    if stream is None:
        return None
    printed = stream.read(MAX_OUTPUT + 1)
    return printed if len(printed) <= MAX_OUTPUT else None

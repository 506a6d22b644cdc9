"""How much of the machine an analysis may use: CPUs in all, and of each analyser on one file."""

import os
from pathlib import Path
from typing import Final

FILE_CPU_SECONDS: Final = 10
"""What an analyser may take for one file, of CPU and so on a busy machine too; a megabyte of code takes about two."""
PATIENCE: Final = 10
"""How many times as long that may take by the clock."""
READY: Final = "ready"
"""What a worker process says first."""
ADDRESS_SPACE: Final = 2 * 1024**3
"""Bytes; a file that makes an analyser grow ends that process and not the pod."""
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

"""How many CPUs this container may use."""

import os
from pathlib import Path
from typing import Final

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

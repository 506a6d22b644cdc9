"""Whether the kernel killed a process of this container for want of memory, by its cgroup's own counter (v1 and v2)."""

from contextlib import suppress
from pathlib import Path

_COUNTERS = ("memory.events", "memory/memory.oom_control")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_NO_LIMIT = 1 << 60


def oom_kills(cgroup: Path) -> int:
    """How many so far; 0 where it can't be known."""
    for name in _COUNTERS:
        with suppress(OSError, ValueError):
            for line in (cgroup / name).read_text().splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    return int(count)
    return 0


def limit_bytes(cgroup: Path) -> int | None:
    """The container's memory limit, None when there is none or it can't be known."""
    for name in _LIMITS:
        with suppress(OSError, ValueError):
            limit = int((cgroup / name).read_text())
            return limit if limit < _NO_LIMIT else None
    return None

"""A real cgroup with a limit of memory, in which the kernel ends processes as it does in a container."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.waiting import wait_until

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """`seen` is what a container sees as /sys/fs/cgroup; what `entering` begins lives in it, with all it starts."""

    seen: Path
    procs: Path

    def entering(self, *program: str) -> tuple[str, ...]:
        """The program's arguments, by way of the group."""
        return ("sh", "-c", f'echo $$ > {self.procs} && exec "$@"', "sh", *program)


def _own_group() -> tuple[Path, str]:
    """The memory cgroup of this process and the name of its limit's file."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _V1 / path.lstrip("/"), "memory.limit_in_bytes"
    return _V2 / path.lstrip("/"), "memory.max"


@contextmanager
def memory_group(folder: Path, limit: int) -> Iterator[MemoryGroup]:
    """A group of so many bytes, seen in `folder`; skips where none can be made."""
    parent, file = _own_group()
    group = (parent if parent.exists() else _V1) / f"forge-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / file).write_text(str(limit))
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    seen = folder / "cgroup"
    if file == "memory.max":
        seen.symlink_to(group)
    else:
        seen.mkdir()
        (seen / "memory").symlink_to(group)
    yield MemoryGroup(seen, group / "cgroup.procs")
    wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the cgroup is empty")
    group.rmdir()

"""A kind that eats all memory: the kernel really ends it, in a real cgroup with a limit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_core.exits import Exit, FailureClass
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.pods import RUNNER
from tests.integration.runner.standin import Ledger
from tests.services.waiting import wait_until

LIMIT = 160 * 1024 * 1024
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


def _own_group() -> tuple[Path, str]:
    """The memory cgroup of this process and the name of its limit's file."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _V1 / path.lstrip("/"), "memory.limit_in_bytes"
    return _V2 / path.lstrip("/"), "memory.max"


@pytest.fixture
def small_cgroup(tmp_path: Path) -> Iterator[Path]:
    """A cgroup of LIMIT bytes as a container sees its own: /sys/fs/cgroup at the returned folder."""
    parent, limit = _own_group()
    group = (parent if parent.exists() else _V1) / f"forge-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    seen = tmp_path / "cgroup"
    if limit == "memory.max":
        seen.symlink_to(group)
    else:
        seen.mkdir()
        (seen / "memory").symlink_to(group)
    yield seen
    wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the cgroup is empty")
    group.rmdir()


def test_work_that_the_kernel_ends_for_its_memory_is_out_of_memory(
    pod: PodMaker, ledger: Ledger, small_cgroup: Path
) -> None:
    ledger.budget = 1
    procs = next(small_cgroup.rglob("cgroup.procs"), small_cgroup / "memory/cgroup.procs")
    enter = ("sh", "-c", f'echo $$ > {procs} && exec "$@"', "sh", *RUNNER)
    runner = pod(kind="eat_memory", attempts=1, program=enter, environment={"FORGE_CGROUP_PATH": str(small_cgroup)})
    assert runner.end() == Exit.EXHAUSTED, runner.output
    assert ledger.outcomes[1].failure_class is FailureClass.OUT_OF_MEMORY
    assert (
        ledger.outcomes[1].message
        == "The attempt ran out of the pod's memory of 160 MiB: choose a larger resourceClass."
    )
    assert "eating now" in ledger.log_of(1)

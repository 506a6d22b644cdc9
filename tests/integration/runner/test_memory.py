"""A kind that eats all memory: the kernel really ends it, in a real cgroup with a limit."""

from pathlib import Path

from forge_core.exits import Exit, FailureClass
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.pods import RUNNER
from tests.integration.runner.standin import Ledger
from tests.services.cgroup import memory_group

LIMIT = 160 * 1024 * 1024


def test_work_that_the_kernel_ends_for_its_memory_is_out_of_memory(
    pod: PodMaker, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.budget = 1
    with memory_group(tmp_path, LIMIT) as group:
        around = {"FORGE_CGROUP_PATH": str(group.seen)}
        runner = pod(kind="eat_memory", attempts=1, program=group.entering(*RUNNER), environment=around)
        assert runner.end() == Exit.EXHAUSTED, runner.output
    assert ledger.outcomes[1].failure_class is FailureClass.OUT_OF_MEMORY
    assert (
        ledger.outcomes[1].message
        == "The attempt ran out of the pod's memory of 160 MiB: choose a larger resourceClass."
    )
    assert "eating now" in ledger.log_of(1)

"""The process of a kind: what it sees, and how the one goes that was forked ahead and gets no orders."""

import os
import signal
from pathlib import Path

import pytest

from forge_core.exits import Exit
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.pods import Pod, alive
from tests.integration.runner.standin import Ledger
from tests.services.waiting import wait_until
from tests.services.wire import wire


@pytest.mark.parametrize("attempt", [1, 2], ids=["forked", "executed"])
def test_the_work_sees_no_secret_and_imports_nothing_from_its_folder(
    pod: PodMaker, ledger: Ledger, tmp_path: Path, attempt: int
) -> None:
    first = tmp_path / "first"
    if attempt == 2:
        first.touch()
    runner = pod(kind="tell_surroundings", config={"first": str(first)})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    seen = ledger.artifacts[attempt, "surroundings"].decode()
    names = {line.partition("=")[0] for line in seen.splitlines() if "=" in line}
    assert names <= {
        "PATH",
        "LC_ALL",
        "HOME",
        "TMPDIR",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "FORGE_SECRET_PATH",  # where a Secret made for jobs would be: what a kind reads is its own to keep
    }
    assert "redis-secret" not in seen
    assert f"{runner.folder}/work/attempt-{attempt}/work" not in seen
    assert ledger.outcomes[attempt].summary == {"leader": True, "deaf": False, "descriptors": [0, 1, 2, "report"]}


def waiting_for_orders(runner: Pod) -> int:
    """The process that was forked ahead of a runner that can't reach the API."""
    wait_until(lambda: "the API does not answer" in runner.output, what="it waits for the API")
    assert runner.process
    [ahead] = Path(f"/proc/{runner.process.pid}/task/{runner.process.pid}/children").read_text().split()
    assert alive(int(ahead))
    return int(ahead)


def test_a_process_that_got_no_orders_goes_with_its_runner(pod: PodMaker) -> None:
    runner = pod(environment={"FORGE_API_URL": "http://127.0.0.1:1"})
    ahead = waiting_for_orders(runner)
    assert runner.process
    runner.process.kill()
    wait_until(lambda: not alive(ahead), what="it is gone")


def test_a_process_that_dies_before_its_orders_costs_no_more_than_an_attempt(pod: PodMaker, ledger: Ledger) -> None:
    with wire(int(ledger.url.rpartition(":")[2])) as to_api:
        to_api.cut()
        runner = pod(environment={"FORGE_API_URL": f"http://127.0.0.1:{to_api.port}"})
        os.kill(waiting_for_orders(runner), signal.SIGKILL)
        to_api.mend()
        assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].message.startswith("The attempt could not be started: ")
    assert ledger.outcomes[2].status == "succeeded"

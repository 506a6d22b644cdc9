"""The benchmarks in their short form: whether everything ends as it should, not how fast. They have KWOK's nodes and
the operator to themselves."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.forge import Forge

pytestmark = pytest.mark.cluster

N = 50


def run(benchmark: str) -> dict[str, Any]:
    """The JSON of a benchmark's last line."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{benchmark}"],
        cwd=ROOT, env=os.environ | {"N": str(N)}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.timeout(1000)
def test_every_job_of_the_throughput_benchmark_completes_and_is_recorded(forge: Forge) -> None:
    found = run("throughput")
    for queue in ("bench-alone", "bench-load"):
        assert (found[queue]["completed"], found[queue]["failed"]) == (N, 0)
        assert found[queue]["writes_per_job"]["create jobs"] == 1
    assert (found["load"]["served"], found["load"]["failed"], found["load"]["first_failure"]) == (N, 0, "")


@pytest.mark.timeout(1000)
def test_caps_order_and_singleness_hold_at_the_peak_and_over_a_restart(forge: Forge) -> None:
    found = run("scale")
    held = {promise: found["within"][promise] for promise in ("caps", "once", "all_completed")}
    assert held == dict.fromkeys(held, True), found
    assert found["urgent_first"], found
    assert found["most_at_once"] == N, "the peak was reached"
    assert found["picture"]["Job"] >= N, "the new operator's picture is whole"

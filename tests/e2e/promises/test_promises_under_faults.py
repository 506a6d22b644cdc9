"""`make bench-faults` in its short form: each quick fault once alone and once with the operator killed within it."""

import json
import os
import subprocess
import sys
import time

import pytest

from bench.faults.faults import FAULTS
from tests.conftest import ROOT, Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]


def test_no_promise_is_broken_by_any_quick_fault_nor_by_two_at_once(kubectl: Kubectl) -> None:
    seed = int(time.time())  # of today's own: a failure prints it, and SEED= runs it again
    kubectl.run("get", "--raw=/readyz")
    environment = os.environ | {"SEED": str(seed), "QUICK": "1", "SLOW": "0"}
    command = [sys.executable, "-m", "bench.faults"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1400, check=False)
    told = f"SEED={seed}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, told
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["violations"] == 0, told
    assert all(found["faults"][name] >= 1 for name, fault in FAULTS.items() if fault.quick), told
    assert found["operator_kills"] >= 5, told
    assert found["touched_by_weather"] > 0, told
    assert found["jobs"] > 10, told

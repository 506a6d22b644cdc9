"""Pods that die: out of memory is charged, an eviction is not."""

import pytest

from forge_core.phase import Phase
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_a_pod_out_of_memory_is_tried_again_and_says_what_to_do(forge: Forge, jobs: Jobs, long_repository: str) -> None:
    name = jobs.submit(long_repository, jobs.sized_queue("500m", "48Mi"))
    job = forge.wait_for(name, Phase.FAILED, seconds=180)
    assert "memory" in job["status"]["message"]
    assert "48Mi" in job["status"]["message"]
    assert job["status"]["attempts"] == 3


def test_an_evicted_pod_is_replaced_and_not_charged(forge: Forge, jobs: Jobs, long_repository: str) -> None:
    name = jobs.submit(long_repository, jobs.sized_queue("200m", "512Mi"), timeout="10m")
    pod = forge.running_pod(name)["metadata"]
    uid = pod["labels"]["forge-factory.dev/analysisjob-uid"]
    wait_until(lambda: forge.sql(f"select number from attempts where job_uid = '{uid}'") == [["1"]])
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod["name"], "namespace": TENANT_NAMESPACE},
    }
    path = f"/api/v1/namespaces/{TENANT_NAMESPACE}/pods/{pod['name']}/eviction"
    forge.kubectl.server.post(path, eviction)
    forge.wait_for(name, Phase.COMPLETED, seconds=180)
    assert forge.sql(f"select number, refunded from attempts where job_uid = '{uid}' order by number") == [
        ["1", "t"],
        ["2", "f"],
    ]

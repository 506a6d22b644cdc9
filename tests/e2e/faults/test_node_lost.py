"""A node that is lost: its job gets another pod, uncharged. No other test's pods can be on it meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from tests.conftest import Kubectl
from tests.e2e.forge import Forge, Jobs
from tests.services.docker import docker
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Worker:
    """The worker node, as the container that it is."""

    name: str

    def stop(self) -> None:
        """As if its power were cut."""
        docker("stop", "-t", "1", self.name)

    def start(self) -> None:
        """It comes back; starting one that runs does nothing."""
        docker("start", self.name)


@pytest.fixture
def worker(kubectl: Kubectl) -> Iterator[Worker]:
    """Whatever the test does to it, it is ready again afterwards."""
    node = kubectl.server.items(core("nodes"), labelSelector="!node-role.kubernetes.io/control-plane")[0]
    found = Worker(node["metadata"]["name"])
    yield found
    found.start()
    kubectl.run("wait", "node", found.name, "--for=condition=Ready", "--timeout=300s")


def test_a_job_on_a_node_that_stops_gets_another_pod_uncharged(
    jobs: Jobs, long_repository: str, worker: Worker
) -> None:
    forge = jobs.forge
    name = jobs.submit(long_repository, jobs.sized_queue("200m", "512Mi"), timeout="10m")
    pod = forge.running_pod(name)["metadata"]
    uid = pod["labels"]["forge-factory.dev/analysisjob-uid"]
    wait_until(lambda: forge.sql(f"select number from attempts where job_uid = '{uid}'") == [["1"]])
    worker.stop()
    wait_until(lambda: _others(forge, name, pod["uid"]), 270, "a successor while the node is still stopped")
    assert forge.phase(name) == Phase.RUNNING
    worker.start()
    forge.wait_for(name, Phase.COMPLETED, seconds=180)
    told = forge.sql(f"select number, outcome from attempts where job_uid = '{uid}' order by number")
    assert told[-1] == ["2", "succeeded"]
    refunds = forge.sql(f"select count(*) from refunds where pod_uid = '{pod['uid']}'")
    assert refunds == [["1"]]


def _others(forge: Forge, name: str, uid: str) -> list[str]:
    return [each["metadata"]["uid"] for each in forge.pods(name) if each["metadata"]["uid"] != uid]

"""SIGKILL of the operator around each kind of write leaves exactly one Job and one outcome."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from forge_core.cluster import analysis_jobs, job_queues
from forge_core.phase import Phase
from tests.conftest import Kubectl
from tests.e2e.forge import Forge, Jobs
from tests.e2e.host_operator import HostOperator, Ways, host_operator
from tests.e2e.killed.proxy import KillingProxy, Moment, Trap, Write
from tests.e2e.killed.wire import KillingWire, killing_wire
from tests.e2e.release import LOCAL_VALUES, Release, second_release
from tests.services.api_server import server_of
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def status_write(phase: Phase) -> Callable[[Write], bool]:
    """A write of that phase to some AnalysisJob's status."""

    def matches(write: Write) -> bool:
        return write.path.endswith("/status") and _body(write).get("status", {}).get("phase") == phase

    return matches


def job_write(method: str, key: str = "") -> Callable[[Write], bool]:
    """A write to a batch/v1 Job, with `key` in its spec if given."""

    def matches(write: Write) -> bool:
        ours = write.method == method and "/apis/batch/v1/" in write.path
        return ours and (not key or key in _body(write).get("spec", {}))

    return matches


def sql_commit(write: Write) -> bool:
    """The end of a transaction."""
    return write.method == "SQL" and b"COMMIT" in write.body


def _body(write: Write) -> dict[str, Any]:
    try:
        document = json.loads(write.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


WAITING: Final = {"phase Queued": status_write(Phase.QUEUED)}
COMPLETING: Final = {
    "the Job's creation": job_write("POST"),
    "phase Running": status_write(Phase.RUNNING),
    "phase Completed": status_write(Phase.COMPLETED),
    "the record": sql_commit,
}
CANCELLING: Final = {
    "phase Cancelling": status_write(Phase.CANCELLING),
    "the Job's suspension": job_write("PATCH", "suspend"),
    "phase Cancelled": status_write(Phase.CANCELLED),
    "the Job's deletion": job_write("DELETE"),
}


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """An installation without an operator in the cluster."""
    programs = {"operator": LOCAL_VALUES["operator"] | {"replicas": 0}, "crds": {"apply": False}}
    with second_release(kubectl, "killed", tmp_path_factory.mktemp("release"), **programs) as made:
        made.upgrade()
        yield made


@dataclass(frozen=True)
class Scene:
    """An operator, and the proxies that kill it."""

    operator: HostOperator
    api: KillingProxy
    database: KillingWire


@pytest.fixture(scope="module")
def scene(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all cases: what is killed is a process, not the proxies."""
    postgres = release.exposed("forge-postgres", 5432)
    with (
        KillingProxy(*server_of(release.kubectl.kubeconfig)).running() as api,
        killing_wire(postgres.host, postgres.port) as database,
        host_operator(release, tmp_path_factory.mktemp("operator"), Ways(api.port, database.port)) as operator,
    ):
        yield Scene(operator, api, database)


@pytest.fixture
def jobs(release: Release) -> Iterator[Jobs]:
    """AnalysisJobs and JobQueues of one test, all gone after it."""
    made = Jobs(Forge(release.kubectl, "", "", release.namespace, release.tenant_namespace))
    yield made
    made.clear()


def kill_at_each(scene: Scene, writes: dict[str, Callable[[Write], bool]], moment: Moment) -> None:
    """Let the operator be killed at each of the writes in turn, and start it once more."""
    operator = scene.operator
    for what, matches in writes.items():
        operator.stop()
        operator.start()
        trap = Trap(matches, moment, operator.pid)
        scene.api.trap = scene.database.trap = trap
        try:
            assert trap.sprung.wait(120), f"the operator never came to {what}"
            assert operator.reap() == -9
        finally:
            scene.api.trap = scene.database.trap = None
    operator.start()


@pytest.mark.parametrize("moment", list(Moment))
def test_a_job_completes_once_whatever_the_operator_was_writing(scene: Scene, jobs: Jobs, moment: Moment) -> None:
    # It runs for longer than a killed operator needs to come back, or phase Running would never be written.
    forge, queue = jobs.forge, jobs.rehearsals(timeout="5m", paused=True)
    name = jobs.rehearse(queue, "succeed/30")
    try:
        kill_at_each(scene, WAITING, moment)
        forge.kubectl.server.patch(job_queues(queue), {"spec": {"paused": False}})
        kill_at_each(scene, COMPLETING, moment)
        job = forge.wait_for(name, Phase.COMPLETED)
        wait_until(lambda: forge.sql(f"select phase from jobs where name = '{name}'") == [["Completed"]])
    finally:
        scene.operator.stop()
    uid = job["metadata"]["uid"]
    assert len(forge.batch_jobs(name)) == 1
    assert len(forge.pods(name)) == 1
    assert forge.sql(f"select count(*) from attempts where job_uid = '{uid}'") == [["1"]]
    assert forge.sql(f"select count(*) from outbox where job_id = '{uid}'") == [["1"]]


@pytest.mark.parametrize("moment", list(Moment))
def test_a_job_is_cancelled_once_whatever_the_operator_was_writing(
    scene: Scene, jobs: Jobs, long_repository: str, moment: Moment
) -> None:
    forge = jobs.forge
    name = jobs.submit(long_repository, jobs.sized_queue("100m", "512Mi"))
    try:
        scene.operator.start()
        forge.running_pod(name)
        scene.operator.stop()
        forge.kubectl.server.patch(analysis_jobs(forge.tenant_namespace, name), {"spec": {"cancel": True}})
        kill_at_each(scene, CANCELLING, moment)
        forge.wait_for(name, Phase.CANCELLED)
        wait_until(lambda: not forge.batch_jobs(name) and not forge.pods(name), what="nothing of it is left")
        wait_until(lambda: forge.sql(f"select phase from jobs where name = '{name}'") == [["Cancelled"]])
    finally:
        scene.operator.stop()
    assert forge.sql(f"select count(*) from jobs where name = '{name}'") == [["1"]]

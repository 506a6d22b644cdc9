"""Redis emptied in mid-run and PostgreSQL away at the end of a run lose nothing. On an installation of their own."""

from collections.abc import Callable, Iterator

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from tests.e2e.forge import Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
AWAY_SECONDS = 60
DATABASE = "statefulset/forge-postgres"


def test_redis_emptied_in_mid_run_loses_nothing(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    forge.running_pod(name)
    wait_until(lambda: forge.progress(name) >= 15, what="it is in the middle")
    forge.kubectl.run("-n", forge.namespace, "delete", "pod", "-l", "app.kubernetes.io/component=redis")
    forge.kubectl.run("-n", forge.namespace, "rollout", "status", "statefulset/forge-redis", "--timeout=300s")
    job = forge.wait_for(name, Phase.COMPLETED, seconds=180)
    assert job["status"]["attempts"] == 1
    with forge.api() as api:
        results = wait_until(lambda: _ok(api.get(f"/analyses/{job['metadata']['uid']}/results")))
    assert results["summary"]["recommendations"]


def _ok(response: object) -> dict[str, dict[str, object]] | None:
    return response.json() if response.status_code == 200 else None  # type: ignore[attr-defined]


@pytest.fixture
def database_away(forge: Forge) -> Iterator[Callable[[], None]]:
    """Stops PostgreSQL when called; back after the test, whatever it did."""
    yield lambda: _scale(forge, 0)
    _scale(forge, 1)


def _scale(forge: Forge, replicas: int) -> None:
    forge.kubectl.run("-n", forge.namespace, "scale", DATABASE, f"--replicas={replicas}")
    forge.kubectl.run("-n", forge.namespace, "rollout", "status", DATABASE, "--timeout=300s")


def test_a_result_waits_for_postgresql_that_is_away_for_a_minute(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str, database_away: Callable[[], None]
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    forge.running_pod(name)
    wait_until(lambda: forge.progress(name) >= 15, what="it is in the middle")
    database_away()
    with forge.api() as api:
        wait_until(lambda: api.get("/analyses").status_code == 503, what="the API says that PostgreSQL is away")
    saving = wait_until(lambda: _stage(forge, name) == "saving", 120, "it waits to be saved")
    assert saving
    gone = forge.kubectl.run("-n", forge.namespace, "wait", DATABASE, "--for=jsonpath={.spec.replicas}=1",
                             f"--timeout={AWAY_SECONDS}s", check=False)  # fmt: skip
    assert gone.returncode != 0, "it was to stay away for the whole minute"
    assert forge.phase(name) == Phase.RUNNING
    _scale(forge, 1)
    job = forge.wait_for(name, Phase.COMPLETED, seconds=120)
    assert job["status"]["attempts"] == 1
    wait_until(lambda: forge.sql(f"select phase from jobs where name = '{name}'") == [["Completed"]], what="recorded")
    uid = job["metadata"]["uid"]
    assert forge.sql(f"select count(*) from attempts where job_uid = '{uid}' and outcome = 'succeeded'") == [["1"]]


def test_two_servers_never_serve_from_one_volume(forge: Forge, database_away: Callable[[], None]) -> None:
    """As it comes about where a pod is deleted by force: its successor starts while it still runs."""
    place, second = ("-n", forge.namespace), "second-postgres"
    pod = forge.kubectl.server.get(core("pods", forge.namespace, "forge-postgres-0"))
    spec = {key: value for key, value in pod["spec"].items() if key not in {"hostname", "subdomain", "nodeName"}}
    container = {key: value for key, value in spec["containers"][0].items() if not key.endswith("Probe")}
    metadata = {"name": second, "namespace": forge.namespace}
    twin = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": [container]}}
    forge.sql("create table if not exists written_by_the_first (number int)")
    forge.kubectl.server.apply(twin)
    try:
        wait_until(lambda: "waiting until it has ended" in _log(forge, second), 60, "the second one says why it waits")
        forge.sql("insert into written_by_the_first values (1)")
        assert "ready to accept connections" not in _log(forge, second)
        database_away()
        wait_until(lambda: "ready to accept connections" in _log(forge, second), 60, "it serves, once it is alone")
        asked = ("psql", "-h", "/tmp", "-U", "forge", "-d", "forge", "-tAc", "select number from written_by_the_first")
        assert forge.kubectl.run(*place, "exec", second, "--", *asked).stdout.split() == ["1"]
        assert "automatic recovery" not in _log(forge, second), "the first one had ended in good order"
    finally:
        forge.kubectl.server.delete(core("pods", forge.namespace, second))


def _log(forge: Forge, pod: str) -> str:
    return forge.kubectl.run("-n", forge.namespace, "logs", pod, check=False).stdout


def _stage(forge: Forge, name: str) -> str:
    return str((forge.job(name) or {}).get("status", {}).get("stage", ""))

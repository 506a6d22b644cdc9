"""The whole operator while a service that it needs is away: it waits, says so, and catches up by itself."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.integration.operator.test_whole_operator import end_runner, job_of, reaches, rows
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until
from tests.services.wire import Wire, wire

pytestmark = pytest.mark.cluster


@pytest.fixture
def api_server(operator: OperatorProcess, kubeconfig: Path, tmp_path: Path) -> Iterator[Wire]:
    """The operator's way to the API server."""
    document = yaml.safe_load(kubeconfig.read_text())
    server = urlsplit(document["clusters"][0]["cluster"]["server"])
    assert server.port
    with wire(server.port) as made:
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{made.port}"
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        operator.environment["KUBECONFIG"] = str(path)
        yield made


@pytest.fixture
def postgresql(operator: OperatorProcess) -> Iterator[Wire]:
    """The operator's way to PostgreSQL."""
    url = urlsplit(operator.environment["FORGE_DATABASE_URL"])
    assert url.port
    with wire(url.port) as made:
        operator.environment["FORGE_DATABASE_URL"] = url.geturl().replace(f":{url.port}/", f":{made.port}/")
        yield made


def test_the_api_server_away_ends_nothing_and_what_was_missed_is_found(
    operator: OperatorProcess, api_server: Wire, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    history_url = operator.environment["FORGE_DATABASE_URL"]
    operator.start()
    kubectl.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("ends", "is-deleted")))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Running"), 60, "the job runs")
    api_server.cut()
    wait_until(lambda: operator.health().get("leading") is False, 40, "it stopped acting")
    end_runner(kubectl, tenant_namespace, "ends")
    kubectl.run("-n", tenant_namespace, "delete", "analysisjob", "is-deleted")
    kubectl.apply(analysis_job(tenant_namespace, "is-new", queue))
    api_server.mend()
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Completed"), 60, "the end is seen")
    wait_until(reaches(kubectl, tenant_namespace, "is-new", "Running"), 60, "the new job runs")
    wait_until(lambda: rows(history_url)["is-deleted"] == ("Cancelled", "Deleted"), 60, "the deletion is seen")
    assert operator.health()["alive"]
    assert operator.end() == 0


def test_postgresql_away_starts_nothing_new_and_loses_no_end(
    operator: OperatorProcess, postgresql: Wire, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    history_url = operator.environment["FORGE_DATABASE_URL"].replace(str(postgresql.port), str(postgresql.target))
    operator.start()
    kubectl.apply(analysis_job(tenant_namespace, "ends", queue))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Running"), 60, "the job runs")
    wait_until(lambda: rows(history_url)["ends"][0] == "Running", what="the history knows it")
    postgresql.cut()
    wait_until(lambda: operator.health().get("history") is False, what="the outage is known")
    end_runner(kubectl, tenant_namespace, "ends")
    kubectl.apply(analysis_job(tenant_namespace, "waits", queue))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Completed"), 60, "the job ends all the same")
    wait_until(
        lambda: "PostgreSQL" in job_of(kubectl, tenant_namespace, "waits").get("status", {}).get("message", ""),
        what="the waiting job says why",
    )
    assert rows(history_url)["ends"][0] == "Running"
    postgresql.mend()
    wait_until(lambda: rows(history_url)["ends"][0] == "Completed", what="the history caught up")
    wait_until(reaches(kubectl, tenant_namespace, "waits", "Running"), 60, "the waiting job runs")
    assert 'status="completed"} 1.0' in operator.get("/metrics")

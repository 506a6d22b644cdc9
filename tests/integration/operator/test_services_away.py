"""The whole operator while a service that it needs is away: it waits, says so, and catches up by itself."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from forge_core.cluster import analysis_jobs, core, job_queues, jobs
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.integration.operator.test_whole_operator import end_runner, job_of, phase, reaches, rows
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
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("ends", "is-deleted")))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Running"), 60, "the job runs")
    api_server.cut()
    wait_until(lambda: operator.health().get("leading") is False, 40, "it stopped acting")
    end_runner(kubectl, tenant_namespace, "ends")
    kubectl.server.delete(analysis_jobs(tenant_namespace, "is-deleted"))
    kubectl.server.apply(analysis_job(tenant_namespace, "is-new", queue))
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
    kubectl.server.apply(analysis_job(tenant_namespace, "ends", queue))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Running"), 60, "the job runs")
    wait_until(lambda: rows(history_url)["ends"][0] == "Running", what="the history knows it")
    postgresql.cut()
    wait_until(lambda: operator.health().get("history") is False, what="the outage is known")
    end_runner(kubectl, tenant_namespace, "ends")
    kubectl.server.apply(analysis_job(tenant_namespace, "waits", queue))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Completed"), 60, "the job ends all the same")
    wait_until(
        lambda: "PostgreSQL" in job_of(kubectl, tenant_namespace, "waits").get("status", {}).get("message", ""),
        what="the waiting job says why",
    )
    assert rows(history_url)["ends"][0] == "Running"
    postgresql.mend()
    wait_until(lambda: rows(history_url)["ends"][0] == "Completed", what="the history caught up")
    wait_until(reaches(kubectl, tenant_namespace, "waits", "Running"), 60, "the waiting job runs")
    wait_until(operator.told('status="completed"} 1.0'), what="the end is counted")


def test_what_has_ended_is_kept_until_postgresql_holds_it(
    operator: OperatorProcess, postgresql: Wire, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    history_url = operator.environment["FORGE_DATABASE_URL"].replace(str(postgresql.port), str(postgresql.target))
    keep_nothing = {"completed": {"age": "1m", "count": 0}, "failed": {"age": "1m", "count": 0}}
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("ends", "is-withdrawn")))
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Running"), 60, "the job runs")
    wait_until(lambda: set(rows(history_url)) == {"ends", "is-withdrawn"}, what="the history knows both")
    postgresql.cut()
    wait_until(lambda: operator.health().get("history") is False, what="the outage is known")
    kubectl.server.patch(job_queues(queue), {"spec": {"retention": keep_nothing}})
    end_runner(kubectl, tenant_namespace, "ends")
    kubectl.server.patch(analysis_jobs(tenant_namespace, "is-withdrawn"), {"spec": {"cancel": True}})
    wait_until(reaches(kubectl, tenant_namespace, "ends", "Completed"), 60, "the job ends all the same")
    wait_until(reaches(kubectl, tenant_namespace, "is-withdrawn", "Cancelled"), 90, "the other is cancelled")
    wait_until(lambda: operator.health().get("unrecorded", 0) >= 2, what="both ends wait to be recorded")
    decisions = decided(operator)
    wait_until(lambda: decided(operator) > decisions + 3, what="it has decided about all this several times")
    assert phase(kubectl, tenant_namespace, "ends") == "Completed"
    assert phase(kubectl, tenant_namespace, "is-withdrawn") == "Cancelled"

    operator.end(signal.SIGKILL)
    operator.start()
    assert phase(kubectl, tenant_namespace, "ends") == "Completed", "nor does a new operator think them recorded"
    postgresql.mend()
    wait_until(lambda: not names(kubectl, analysis_jobs(tenant_namespace)), 60, "both are retired")
    assert {name: ended for name, (ended, _) in rows(history_url).items()} == {
        "ends": "Completed", "is-withdrawn": "Cancelled",
    }  # fmt: skip
    wait_until(lambda: not names(kubectl, jobs(tenant_namespace)), 60, "their Jobs went with them")
    wait_until(lambda: not names(kubectl, core("pods", tenant_namespace)), 60, "and the pods")
    wait_until(lambda: deleted(history_url) == {"ends", "is-withdrawn"}, what="the rows say that they are gone")


def decided(operator: OperatorProcess) -> float:
    """Decisions made so far."""
    found = re.search(r"forge_operator_decide_seconds_count (\S+)", operator.get("/metrics"))
    return float(found.group(1)) if found else 0.0


def names(kubectl: Kubectl, path: str) -> set[str]:
    return {item["metadata"]["name"] for item in kubectl.server.items(path)}


def deleted(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("select name from jobs where deleted_at is not null")}

"""What the operator's flight recorder writes of real jobs: gates, pods, pulls, cancellations, on the real cluster."""

import asyncio
import re
import subprocess

import psycopg
import pytest

from forge_core.cluster import job_queues
from forge_core.history.cancellation import Receipt, receipt_of
from forge_core.history.database import History
from forge_core.history.notes import What
from forge_core.history.timeline import Facts, Timelines
from forge_core.history.timeline_entries import Entry, entries_of
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.integration.operator.test_whole_operator import end_runner, job_of, reaches
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def facts_of(operator: OperatorProcess, name: str) -> Facts:
    url = operator.environment["FORGE_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        row = connection.execute("select id, tenant from jobs where name = %s", (name,)).fetchone()
    assert row is not None

    async def read() -> Facts | None:
        async with History.connect(url) as history:
            return await Timelines(history).of(row[1], row[0])

    found = asyncio.run(read())
    assert found is not None
    return found


def timeline(operator: OperatorProcess, name: str) -> list[Entry]:
    return entries_of(facts_of(operator, name))


def whats(operator: OperatorProcess, name: str) -> set[What]:
    return {entry.what for entry in timeline(operator, name)}


def receipt(operator: OperatorProcess, name: str) -> Receipt:
    return receipt_of(facts_of(operator, name))


def test_a_job_that_waited_is_told_from_its_gate_to_its_record(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.patch(job_queues(queue), {"spec": {"concurrency": 1}})
    kubectl.server.apply(analysis_job(tenant_namespace, "first", queue))
    wait_until(reaches(kubectl, tenant_namespace, "first", "Running"), 60, "the first runs")
    kubectl.server.apply(analysis_job(tenant_namespace, "second", queue))
    wait_until(lambda: "1 of 1" in job_of(kubectl, tenant_namespace, "second").get("status", {}).get("message", ""), 60)
    wait_until(lambda: What.HELD in whats(operator, "second"), what="what holds it is told while it waits")
    [held] = [entry for entry in timeline(operator, "second") if entry.what is What.HELD]
    assert held.detail["gate"] == "ConcurrencyReached"
    assert "seconds" not in held.detail
    end_runner(kubectl, tenant_namespace, "first")
    wait_until(reaches(kubectl, tenant_namespace, "second", "Running"), 60, "the second runs")
    end_runner(kubectl, tenant_namespace, "second")
    wait_until(reaches(kubectl, tenant_namespace, "second", "Completed"), 60, "the second is completed")
    course = [
        What.SUBMITTED, What.HELD, What.ADMITTED, What.JOB_CREATED, What.POD_SCHEDULED, What.IMAGE_PULLED,
        What.POD_STARTED, What.POD_ENDED, What.ENDED, What.RECORDED, What.DELIVERED,
    ]  # fmt: skip
    wait_until(lambda: set(course) <= whats(operator, "second"), what="all of it is written")
    entries = timeline(operator, "second")
    assert [entry.what for entry in entries] == course
    [held] = [entry for entry in entries if entry.what is What.HELD]
    admitted = next(entry.at for entry in entries if entry.what is What.ADMITTED)
    assert held.detail["times"] == 1
    assert abs((admitted - held.at).total_seconds() - held.detail["seconds"]) < 10
    pulled = next(entry for entry in entries if entry.what is What.IMAGE_PULLED)
    assert pulled.detail == {"present": True} or pulled.detail["seconds"] > 0
    assert pulled.pod is not None
    assert pulled.pod.startswith("second-")


def test_a_job_cancelled_by_kubectl_has_a_receipt(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    kubectl.run("-n", tenant_namespace, "patch", "aj", "one", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    wait_until(reaches(kubectl, tenant_namespace, "one", "Cancelled"), 90, "the job is cancelled")
    wait_until(lambda: receipt(operator, "one").counted_at is not None, what="its end is recorded")
    wait_until(lambda: receipt(operator, "one").last_pod_ended_at is not None, what="its last pod is gone")
    told = receipt(operator, "one")
    assert (told.requested_by, told.through) == ("kubectl-patch", "kubernetes")
    assert told.requested_at is not None
    assert told.decided_at is not None
    assert told.last_pod_ended_at is not None
    assert (told.refused_uploads, told.events) == (0, 0)
    expected = {What.CANCEL_ASKED, What.CANCELLING, What.POD_ENDED, What.ENDED}
    wait_until(lambda: expected <= whats(operator, "one"), what="all of it is written")


def test_what_the_flight_recorder_does_costs_no_write_on_the_kubernetes_api(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    end_runner(kubectl, tenant_namespace, "one")
    wait_until(reaches(kubectl, tenant_namespace, "one", "Completed"), 60, "the job is completed")
    wait_until(lambda: What.POD_ENDED in whats(operator, "one"), what="its pod's end is noted")
    told = operator.get("/metrics")
    written = set(re.findall(r'forge_kubernetes_writes_total{[^}]*resource="([^"]*)"', told))
    assert written <= {"jobs", "analysisjobs/status", "leases"}, written
    for resource, most in (("jobs", 1), ("analysisjobs/status", 2)):
        counts = re.findall(rf'forge_kubernetes_writes_total{{[^}}]*resource="{resource}"[^}}]*}} ([0-9.]+)', told)
        assert sum(map(float, counts)) <= most, told


def test_a_restarted_operator_adds_nothing_twice(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    wait_until(lambda: What.IMAGE_PULLED in whats(operator, "one"), what="its pull is noted")
    before = timeline(operator, "one")
    try:
        operator.end()
    except subprocess.TimeoutExpired:
        pytest.fail("the operator did not end")
    operator.start()
    end_runner(kubectl, tenant_namespace, "one")
    wait_until(lambda: What.POD_ENDED in whats(operator, "one"), 60, "its pod's end is noted")
    after = timeline(operator, "one")
    assert after[: len(before)] == before

"""The whole operator as a process, against the real API server, PostgreSQL and Redis."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis
from psycopg.types.json import Jsonb

from forge_core.cluster import analysis_jobs, core, jobs, leases
from forge_core.messages import ProgressMessage, TerminalMessage, decode_message
from forge_core.names import job_hash, progress_stream
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def job_of(kubectl: Kubectl, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.server.read(analysis_jobs(namespace, name))
    return found


def phase(kubectl: Kubectl, namespace: str, name: str) -> str:
    return str(job_of(kubectl, namespace, name).get("status", {}).get("phase", ""))


def reaches(kubectl: Kubectl, namespace: str, name: str, wanted: str) -> Callable[[], bool]:
    return lambda: phase(kubectl, namespace, name) == wanted


def end_runner(kubectl: Kubectl, namespace: str, name: str) -> None:
    """Tell the runner to exit 0."""
    pods = kubectl.server.items(core("pods", namespace), labelSelector=f"forge-factory.dev/analysisjob={name}")
    assert len(pods) == 1
    command = ("-n", namespace, "exec", pods[0]["metadata"]["name"], "--", "redis-cli", "shutdown", "nosave")

    def listened() -> bool:
        done = kubectl.run(*command, check=False)
        return "Connection refused" not in done.stdout + done.stderr

    wait_until(listened, 30, "the program in the pod has started")


def rows(url: str) -> dict[str, tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return {name: (phase, reason) for name, phase, reason in connection.execute(
            "select name, phase, reason from jobs")}  # fmt: skip


def test_an_applied_job_runs_ends_and_is_recorded(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    history_url, redis_url = operator.environment["FORGE_DATABASE_URL"], operator.environment["FORGE_REDIS_URL"]
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    end_runner(kubectl, tenant_namespace, "one")
    wait_until(reaches(kubectl, tenant_namespace, "one", "Completed"), 60, "the job is completed")

    job = job_of(kubectl, tenant_namespace, "one")
    assert job["status"]["progress"] == 100
    assert "finalizers" not in job["metadata"]
    assert not any("kopf" in key for key in job["metadata"].get("annotations", {}))
    wait_until(lambda: rows(history_url).get("one") == ("Completed", "Succeeded"), what="the end is recorded")
    counted = (
        f'jobs_processed_total{{queue="{queue}",status="completed"}} 1.0',
        f'queue_size{{queue="{queue}",status="completed"}} 1.0',
        f'job_duration_seconds_count{{queue="{queue}"}} 1.0',
    )
    wait_until(operator.told(*counted), what="the end is counted")

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        entries = wait_until(lambda: client.xrange(progress_stream(tenant_namespace)), what="its end is published")
        users = client.execute_command
        wait_until(lambda: f"tenant-{tenant_namespace}" in users("ACL USERS"), what="its tenant has a user")
    [message] = [decode_message(fields["m"]) for _, fields in entries]
    assert isinstance(message, TerminalMessage)
    assert (message.uid, message.phase) == (job["metadata"]["uid"], "Completed")
    assert operator.end() == 0


def test_progress_and_the_score_reach_the_status(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    uid = job_of(kubectl, tenant_namespace, "one")["metadata"]["uid"]
    report_progress(operator, tenant_namespace, uid, 42)
    wait_until(lambda: job_of(kubectl, tenant_namespace, "one")["status"].get("progress") == 42, what="it is shown")
    assert job_of(kubectl, tenant_namespace, "one")["status"]["stage"] == "analyse"
    store_result(operator, uid, {"score": {"value": 81.5, "grade": "B"}, "recommendations": [{"title": "x"}]})
    end_runner(kubectl, tenant_namespace, "one")
    wait_until(reaches(kubectl, tenant_namespace, "one", "Completed"), 60, "the job is completed")
    status = job_of(kubectl, tenant_namespace, "one")["status"]
    assert status["summary"] == {"score": {"value": 81.5, "grade": "B"}}
    assert (status["progress"], status["attempts"]) == (100, 1)


def report_progress(operator: OperatorProcess, tenant: str, uid: str, percent: float) -> None:
    """As a runner does, with the user that the operator made for its tenant."""
    message = ProgressMessage(uid=uid, attempt=1, stage="analyse", percent=percent, at=datetime.now(UTC))
    options: dict[str, Any] = {"username": f"tenant-{tenant}", "password": "for-this-test", "decode_responses": True}
    with redis.Redis.from_url(operator.environment["FORGE_REDIS_URL"], **options) as client:
        client.hset(job_hash(tenant, uid), mapping={"last": message.encode()})


def store_result(operator: OperatorProcess, uid: str, summary: dict[str, Any]) -> None:
    """As the API does when a runner has uploaded its outcome."""
    with psycopg.connect(operator.environment["FORGE_DATABASE_URL"]) as connection:
        connection.execute(
            "insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at, ended_at, outcome,"
            " failure_class, message, stage, summary, refunded) values (%s, 1, gen_random_uuid(), 'p', 1, now(), now(),"
            " 'succeeded', '', '', '', %s, false)",
            (uid, Jsonb(summary)),
        )


def test_a_third_job_waits_for_a_queue_of_two_and_says_so(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("a", "b", "c")))
    wait_until(lambda: "2 of 2" in job_of(kubectl, tenant_namespace, "c").get("status", {}).get("message", ""), 60)
    wait_until(lambda: len(kubectl.server.items(jobs(tenant_namespace))) >= 2, what="both Jobs are made")
    assert len(kubectl.server.items(jobs(tenant_namespace))) == 2


def test_a_deleted_job_is_cancelled_in_the_history_also_when_nobody_watched(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str, history_url: str
) -> None:
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("seen", "unseen")))
    wait_until(lambda: set(rows(history_url)) == {"seen", "unseen"}, what="both are recorded")
    kubectl.server.delete(analysis_jobs(tenant_namespace, "seen"))
    wait_until(lambda: rows(history_url)["seen"] == ("Cancelled", "Deleted"), what="the deletion was heard")
    assert operator.end() == 0
    kubectl.server.delete(analysis_jobs(tenant_namespace, "unseen"))
    operator.start()
    wait_until(lambda: rows(history_url)["unseen"] == ("Cancelled", "Deleted"), 60, "the deletion was found")


def test_a_running_job_is_cancelled_by_its_spec(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str, history_url: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    kubectl.server.patch(analysis_jobs(tenant_namespace, "one"), {"spec": {"cancel": True}})
    wait_until(reaches(kubectl, tenant_namespace, "one", "Cancelled"), 90, "the job is cancelled")
    wait_until(lambda: kubectl.server.items(jobs(tenant_namespace)) == [], what="its Job is gone")
    wait_until(lambda: rows(history_url)["one"] == ("Cancelled", "Cancelled"), what="it is recorded")


def test_a_standby_takes_over_and_the_first_one_s_jobs_go_on(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    second = OperatorProcess({**operator.environment, "FORGE_POD_NAME": "second"}, operator.log.with_name("second.log"))
    second.spawn()
    try:
        wait_until(lambda: second.health().get("watches", {}).get("listed"), 60, "the standby sees the cluster")
        wait_until(lambda: second.health().get("lease_holder") == "first", what="it has seen the Lease")
        assert not second.health()["leading"]
        operator.end(signal.SIGKILL)
        began = time.monotonic()
        wait_until(lambda: second.health().get("leading"), 40, "the standby leads")
        assert time.monotonic() - began > 5, "the Lease of a killed holder runs out first"
        end_runner(kubectl, tenant_namespace, "one")
        wait_until(reaches(kubectl, tenant_namespace, "one", "Completed"), 60, "the job is completed")
        assert len(kubectl.server.items(jobs(tenant_namespace))) == 1
    finally:
        second.end()


def test_a_stopped_operator_gives_its_lease_back_at_once(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str
) -> None:
    operator.start()
    assert operator.end() == 0
    assert kubectl.server.get(leases(tenant_namespace, "forge-operator"))["spec"]["holderIdentity"] == ""


def test_the_sizes_are_right_again_after_the_operator_was_killed_and_its_counters_begin_anew(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("a", "b", "c")))
    wait_until(reaches(kubectl, tenant_namespace, "a", "Running"), 60, "the first job runs")
    end_runner(kubectl, tenant_namespace, "a")
    sizes = [
        f'queue_size{{queue="{queue}",status="{status}"}} {count}.0'
        for status, count in (("waiting", 0), ("active", 2), ("completed", 1))
    ]
    ended = f'jobs_processed_total{{queue="{queue}",status="completed"}}'
    admitted = f'forge_job_wait_seconds_count{{queue="{queue}"}}'
    made = 'forge_kubernetes_writes_total{outcome="ok",resource="jobs",verb="create"} 3.0'
    told = operator.told
    wait_until(told(*sizes, f"{ended} 1.0", f"{admitted} 3.0", made), 90, "one has ended and two run")

    operator.end(signal.SIGKILL)
    operator.start()
    wait_until(told(*sizes), 30, "the new process tells the same sizes")
    assert told(f"{ended} 0.0", f"{admitted} 0.0")(), "an end that was counted is not counted again"
    wait_until(told("forge_operator_unrecorded 0.0"), 30, "all was recorded again")
    assert told(*sizes, f"{ended} 0.0")()


def test_of_two_manifests_that_do_one_job_again_the_first_is_carried_out(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    origin = "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de"
    kubectl.server.apply(analysis_job(tenant_namespace, "first", queue, retryOf=origin))
    wait_until(reaches(kubectl, tenant_namespace, "first", "Running"), 60, "the first runs")
    kubectl.server.apply(analysis_job(tenant_namespace, "a-second", queue, retryOf=origin))
    wait_until(reaches(kubectl, tenant_namespace, "a-second", "Failed"), 60, "the second is refused")
    assert (
        "AnalysisJob first does the same job again"
        in job_of(kubectl, tenant_namespace, "a-second")["status"]["message"]
    )
    history_url = operator.environment["FORGE_DATABASE_URL"]
    wait_until(lambda: rows(history_url).get("a-second") == ("Failed", "Invalid"), what="the refusal is recorded")
    with psycopg.connect(history_url) as connection:
        told = connection.execute("select name, retry_of::text, fingerprint <> '' from jobs order by name").fetchall()
    assert told == [("a-second", origin, True), ("first", origin, False)]

"""A runner that hangs, on the real cluster: its pod is ended, another follows, its attempt is charged as stalled."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis

from forge_core.cluster import core, job_queues
from forge_core.names import STALLED_CONDITION, job_hash
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.integration.operator.test_whole_operator import job_of, reaches
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def pods_of(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kubectl.server.items(core("pods", namespace))
    return found


def beating(operator: OperatorProcess, tenant: str, uid: str) -> Callable[[], None]:
    """As a runner does, with the user that the operator made for its tenant."""

    def beat() -> None:
        options: dict[str, Any] = {"username": f"tenant-{tenant}", "password": "for-this-test"}
        with redis.Redis.from_url(operator.environment["FORGE_REDIS_URL"], **options) as client:
            client.hset(job_hash(tenant, uid), mapping={"heartbeat": datetime.now(UTC).isoformat()})

    return beat


def claim(operator: OperatorProcess, uid: str, pod: dict[str, Any]) -> None:
    """As the API does when a runner claims its first attempt."""
    with psycopg.connect(operator.environment["FORGE_DATABASE_URL"]) as connection:
        connection.execute(
            "insert into attempts (job_uid, number, pod_uid, pod_name, number_in_pod, claimed_at, outcome,"
            " failure_class, message, stage, refunded) values (%s, 1, %s, %s, 1, now(), '', '', '', '', false)",
            (uid, uuid.UUID(pod["metadata"]["uid"]), pod["metadata"]["name"]),
        )


def attempt(operator: OperatorProcess, uid: str) -> tuple[Any, ...]:
    with psycopg.connect(operator.environment["FORGE_DATABASE_URL"]) as connection:
        row = connection.execute(
            "select outcome, failure_class, message, refunded from attempts where job_uid = %s", (uid,)
        ).fetchone()
    assert row
    return row


def test_a_pod_that_stops_beating_is_replaced_and_its_attempt_charged(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    kubectl.server.patch(job_queues(queue), {"spec": {"stall": {"after": "10s"}}})
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue))
    wait_until(reaches(kubectl, tenant_namespace, "one", "Running"), 60, "the job runs")
    uid = job_of(kubectl, tenant_namespace, "one")["metadata"]["uid"]
    [pod] = pods_of(kubectl, tenant_namespace)
    name = pod["metadata"]["name"]
    claim(operator, uid, pod)
    # Redis, the program that stands for a runner, then refuses to end, for it can't save: as one that hangs would.
    refuse = ("-n", tenant_namespace, "exec", name, "--", "redis-cli", "config", "set", "save", "3600 1")
    wait_until(lambda: kubectl.run(*refuse, check=False).returncode == 0, 60, "the program in the pod has started")

    beat = beating(operator, tenant_namespace, uid)
    wait_until(lambda: _no_error(beat), what="the tenant's user is there")
    until = time.monotonic() + 20
    wait_until(lambda: beat() or time.monotonic() > until, 30, "it beats for twice the limit")
    assert [each["metadata"].get("deletionTimestamp") for each in pods_of(kubectl, tenant_namespace)] == [None]

    def ends() -> dict[str, Any] | None:
        found = {each["metadata"]["name"]: each for each in pods_of(kubectl, tenant_namespace)}.get(name, {})
        return found if found.get("metadata", {}).get("deletionTimestamp") else None

    stalled = wait_until(ends, 40, "it is ended once it is silent")
    [mark] = [one for one in stalled["status"]["conditions"] if one["type"] == STALLED_CONDITION]
    assert mark["message"] == "no heartbeat for 10 s"
    assert attempt(operator, uid) == ("failed", "stalled", "No heartbeat for 10 s: its pod was ended.", False)
    wait_until(
        lambda: job_of(kubectl, tenant_namespace, "one")["status"].get("message")
        == "Admitted; no heartbeat for 10 s: its pod was ended, attempt 2 of 2 follows",
        what="the job says so",
    )  # fmt: skip
    wait_until(lambda: _successor(kubectl, tenant_namespace, name), 90, "another pod follows")
    assert attempt(operator, uid) == ("failed", "stalled", "No heartbeat for 10 s: its pod was ended.", False)
    assert job_of(kubectl, tenant_namespace, "one")["status"]["phase"] == "Running"
    assert operator.end() == 0


def _no_error(beat: Callable[[], None]) -> bool:
    try:
        beat()
    except redis.RedisError:
        return False
    return True


def _successor(kubectl: Kubectl, namespace: str, name: str) -> bool:
    running = [pod for pod in pods_of(kubectl, namespace) if pod["status"].get("phase") == "Running"]
    return any(pod["metadata"]["name"] != name for pod in running)

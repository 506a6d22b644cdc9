"""The whole operator tells: a breach while the job still runs, and a job's end in its tenant's stream."""

import signal
from typing import Any

import psycopg
import pytest
import redis

from forge_core.cluster import job_queues
from forge_core.names import events_stream
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.integration.operator.test_whole_operator import end_runner, phase, reaches
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def breaches(url: str) -> list[Any]:
    """The alerts of the outbox."""
    with psycopg.connect(url) as connection:
        return connection.execute("select event from outbox where channel = 'alerts'").fetchall()


def test_a_breach_is_told_while_the_job_runs_and_its_end_is_an_event(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    history_url, redis_url = operator.environment["FORGE_DATABASE_URL"], operator.environment["FORGE_REDIS_URL"]
    kubectl.server.patch(job_queues(queue), {"spec": {"sla": {"limit": "3s"}}})
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "late", queue))
    wait_until(lambda: breaches(history_url), 90, "the breach is told")
    assert phase(kubectl, tenant_namespace, "late") == "Running"
    [(alert,)] = breaches(history_url)
    assert (alert["data"]["name"], alert["data"]["limitSeconds"]) == ("late", 3)
    wait_until(operator.told(f'forge_sla_breaches_total{{queue="{queue}"}} 1.0'), what="it is counted")

    operator.end(signal.SIGKILL)
    operator.start()
    end_runner(kubectl, tenant_namespace, "late")
    wait_until(reaches(kubectl, tenant_namespace, "late", "Completed"), 60, "the job is completed")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        wait_until(lambda: client.xlen(events_stream(tenant_namespace)), what="its end is published")
        [(_, fields)] = client.xrange(events_stream(tenant_namespace))
    assert fields["type"] == "analysis.completed"
    assert len(breaches(history_url)) == 1
    wait_until(operator.told('forge_outbox_published_total{channel="events"} 1.0'), what="the event is counted")
    assert f'forge_sla_breaches_total{{queue="{queue}"}} 0.0' in operator.get("/metrics")

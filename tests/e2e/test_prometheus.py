"""A real Prometheus beside the installed release: what the chart's monitors find, what it reads, what its rules say."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from forge_core.resource import Phase
from forge_operator.metrics import DURATION_BUCKETS
from tests.builders.chart import only, render
from tests.e2e.forge import RELEASE_NAMESPACE, Forge, Jobs
from tests.services.forwarding import forwarded
from tests.services.prometheus import Prometheus, Target, prometheus_server
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
MANIFESTS = render("values-local.yaml", monitoring=json.dumps({"enabled": True, "rulesFile": {"enabled": True}}))


def monitored(forge: Forge, part: str) -> list[tuple[str, int]]:
    """(pod, port) of each pod that the chart's PodMonitor selects."""
    monitor = only(MANIFESTS, "PodMonitor", f"forge-{part}")["spec"]
    selector = ",".join(f"{key}={value}" for key, value in monitor["selector"]["matchLabels"].items())
    name = monitor["podMetricsEndpoints"][0]["port"]
    pods = forge.kubectl.get("-n", RELEASE_NAMESPACE, "pods", "-l", selector)["items"]
    return [
        (pod["metadata"]["name"], port["containerPort"])
        for pod in pods if not pod["metadata"].get("deletionTimestamp")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ()) if port["name"] == name
    ]  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes every pod of both programs, with the chart's rules loaded."""
    rules = only(MANIFESTS, "ConfigMap", "forge-rules")["data"]["forge-jobs.rules.yaml"]
    with ExitStack() as stack:
        targets = []
        for part in ("operator", "api"):
            pods = monitored(forge, part)
            assert pods, f"the monitor of the {part} selects no pod"
            for pod, port in pods:
                address = stack.enter_context(forwarded(forge.kubectl, RELEASE_NAMESPACE, pod, port))
                targets.append(Target(address, {"namespace": RELEASE_NAMESPACE, "pod": pod}))
        folder = tmp_path_factory.mktemp("prometheus")
        server = stack.enter_context(prometheus_server(folder, targets, rules))
        every = [1.0] * len(targets)
        wait_until(lambda: list(server.query("up").values()) == every, 60, "all targets are scraped")
        yield server


def seconds(job: dict[str, Any]) -> float:
    """From startedAt to completedAt."""
    status = job["status"]
    began, ended = (datetime.fromisoformat(status[key].replace("Z", "+00:00")) for key in ("startedAt", "completedAt"))
    return (ended - began).total_seconds()


def test_a_completed_job_is_counted_once_in_the_right_buckets(
    prometheus: Prometheus, forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    queue = jobs.queue()
    ended = f'sum(jobs_processed_total{{queue="{queue}", status="completed"}})'
    wait_until(lambda: prometheus.value(ended) == 0, 30, "Prometheus knows the queue from its beginning")
    took = seconds(forge.wait_for(jobs.submit(small_repository, queue), Phase.COMPLETED))
    wait_until(lambda: prometheus.value(ended) == 1, 30, "the end is counted")
    wait_until(lambda: (prometheus.value(f"increase({ended[4:-1]}[10m])") or 0) > 0, 30, "its increase is seen")

    buckets = prometheus.query(f'sum by (le) (job_duration_seconds_bucket{{queue="{queue}"}})')
    assert {dict(labels)["le"] for labels in buckets} == {*(f"{bound}.0" for bound in DURATION_BUCKETS), "+Inf"}
    for labels, count in buckets.items():
        assert count == (took <= float(dict(labels)["le"])), f"{took} s in {labels}"
    assert prometheus.value(f'sum(job_duration_seconds_sum{{queue="{queue}"}})') == pytest.approx(took)
    for name in ("forge_job_wait_seconds_count", "forge_admission_seconds_count"):
        assert prometheus.value(f'sum({name}{{queue="{queue}"}})') == 1
    assert prometheus.value(f'sum(forge_attempts_total{{queue="{queue}", outcome="succeeded"}})') == 1
    assert prometheus.value(f'sum(forge_dead_letters_total{{queue="{queue}"}})') == 0
    wait_until(lambda: prometheus.value(f'queue_size{{queue="{queue}", status="completed"}}') == 1, 30, "it is shown")


def test_a_failed_job_is_a_dead_letter_of_its_class(
    prometheus: Prometheus, forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    queue = jobs.queue()
    dead = f'forge_dead_letters_total{{queue="{queue}", class="permanent"}}'
    wait_until(lambda: prometheus.value(f"sum({dead})") == 0, 30, "Prometheus knows the queue")
    forge.wait_for(jobs.submit(small_repository, queue, ref="no-such-branch"), Phase.FAILED)
    wait_until(lambda: prometheus.value(f"sum({dead})") == 1, 30, "the dead letter is counted")
    assert prometheus.value(f'sum(jobs_processed_total{{queue="{queue}", status="failed"}})') == 1
    assert prometheus.value(f'sum(forge_attempts_total{{queue="{queue}", class="permanent"}})') == 1


def test_a_waiting_job_is_shown_with_the_gate_that_holds_it(
    prometheus: Prometheus, jobs: Jobs, small_repository: str
) -> None:
    queue = jobs.queue(paused=True)
    jobs.submit(small_repository, queue)
    held = f'forge_jobs_waiting{{queue="{queue}", reason="QueuePaused"}}'
    wait_until(lambda: prometheus.value(held) == 1, 30, "the gate is told")
    assert prometheus.value(f'queue_size{{queue="{queue}", status="waiting"}}') == 1
    assert prometheus.value(f'forge_queue_paused{{queue="{queue}"}}') == 1


def test_at_rest_one_operator_acts_everything_answers_and_no_alert_is_even_pending(prometheus: Prometheus) -> None:
    wait_until(prometheus.evaluated, 30, "every rule was evaluated")
    wait_until(lambda: not prometheus.alerts(), 60, "no alert is pending or firing")
    assert prometheus.value("sum(forge_operator_holds_lease)") == 1
    assert set(prometheus.query("max by (dependency) (forge_dependency_up)").values()) == {1.0}
    assert (prometheus.value("max(forge_operator_record_lag_seconds)") or 0) < 30

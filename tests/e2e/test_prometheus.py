"""A real Prometheus beside the installed release: what the chart's monitors find, what it reads, what its rules say."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from forge_operator.metrics import DURATION_BUCKETS
from tests.builders.chart import Manifest, only, render
from tests.e2e.forge import RELEASE_NAMESPACE, Forge, Jobs
from tests.services.forwarding import forwarded
from tests.services.prometheus import Prometheus, Target, prometheus_server
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def manifests() -> list[Manifest]:
    """The chart as the local cluster has it, and its monitoring beside."""
    return render("values-local.yaml", monitoring=json.dumps({"enabled": True, "rulesFile": {"enabled": True}}))


def monitored(forge: Forge, part: str) -> list[tuple[str, int]]:
    """(pod, port) of each pod that the chart's PodMonitor selects."""
    monitor = only(manifests(), "PodMonitor", f"forge-{part}")["spec"]
    selector = ",".join(f"{key}={value}" for key, value in monitor["selector"]["matchLabels"].items())
    name = monitor["podMetricsEndpoints"][0]["port"]
    pods = forge.kubectl.server.items(core("pods", RELEASE_NAMESPACE), labelSelector=selector)
    return [
        (pod["metadata"]["name"], port["containerPort"])
        for pod in pods if not pod["metadata"].get("deletionTimestamp")
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ()) if port["name"] == name
    ]  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes every pod of both programs, with the chart's rules loaded."""
    rules = only(manifests(), "ConfigMap", "forge-rules")["data"]["forge-jobs.rules.yaml"]
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
    ended = f'jobs_processed_total{{queue="{queue}", status="completed"}}'
    prometheus.becomes(0, f"sum({ended})")
    took = seconds(forge.wait_for(jobs.submit(small_repository, queue), Phase.COMPLETED))
    prometheus.becomes(1, f"sum({ended})")
    wait_until(lambda: (prometheus.value(f"sum(increase({ended}[10m]))") or 0) > 0, 30, "its increase is seen")

    bounds = {**{f"{bound}.0": float(bound) for bound in DURATION_BUCKETS}, "+Inf": float("inf")}
    expected = {(("le", word),): float(took <= bound) for word, bound in bounds.items()}
    buckets = f'sum by (le) (job_duration_seconds_bucket{{queue="{queue}"}})'
    wait_until(lambda: prometheus.query(buckets) == expected, 30, f"{took} s stand in the right buckets")
    summed = f'sum(job_duration_seconds_sum{{queue="{queue}"}})'
    wait_until(lambda: prometheus.value(summed) == pytest.approx(took), 30, f"the duration's sum is {took} s")
    prometheus.becomes(1, f'sum(forge_job_wait_seconds_count{{queue="{queue}"}})')
    prometheus.becomes(1, f'sum(forge_admission_seconds_count{{queue="{queue}"}})')
    prometheus.becomes(1, f'sum(forge_attempts_total{{queue="{queue}", outcome="succeeded"}})')
    prometheus.becomes(0, f'sum(forge_dead_letters_total{{queue="{queue}"}})')
    prometheus.becomes(1, f'queue_size{{queue="{queue}", status="completed"}}')


def test_a_failed_job_is_a_dead_letter_of_its_class(
    prometheus: Prometheus, forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    queue = jobs.queue()
    prometheus.becomes(0, f'sum(forge_dead_letters_total{{queue="{queue}"}})')
    forge.wait_for(jobs.submit(small_repository, queue, ref="no-such-branch"), Phase.FAILED)
    prometheus.becomes(1, f'sum(forge_dead_letters_total{{queue="{queue}", class="permanent"}})')
    prometheus.becomes(1, f'sum(jobs_processed_total{{queue="{queue}", status="failed"}})')
    prometheus.becomes(1, f'sum(forge_attempts_total{{queue="{queue}", outcome="failed", class="permanent"}})')


def test_a_job_whose_clock_runs_out_is_a_breach_while_it_still_runs(
    prometheus: Prometheus, forge: Forge, jobs: Jobs, long_repository: str
) -> None:
    queue = jobs.sized_queue("200m", "512Mi", sla={"limit": "2s", "clock": "started"})
    breaches = f'sum(forge_sla_breaches_total{{queue="{queue}"}})'
    prometheus.becomes(0, breaches)
    name = jobs.submit(long_repository, queue)
    forge.running_pod(name)
    prometheus.becomes(1, breaches, 60)


def test_a_waiting_job_is_shown_with_the_gate_that_holds_it(
    prometheus: Prometheus, jobs: Jobs, small_repository: str
) -> None:
    queue = jobs.queue(paused=True)
    jobs.submit(small_repository, queue)
    prometheus.becomes(1, f'forge_jobs_waiting{{queue="{queue}", reason="QueuePaused"}}')
    prometheus.becomes(1, f'queue_size{{queue="{queue}", status="waiting"}}')
    prometheus.becomes(1, f'forge_queue_paused{{queue="{queue}"}}')


def test_at_rest_one_operator_acts_everything_answers_and_no_alert_is_even_pending(prometheus: Prometheus) -> None:
    wait_until(prometheus.evaluated, 30, "every rule was evaluated")
    wait_until(lambda: not prometheus.alerts(), 60, "no alert is pending or firing")
    prometheus.becomes(1, "sum(forge_operator_holds_lease)")
    for service in ("postgresql", "redis", "api"):
        prometheus.becomes(1, f'max(forge_dependency_up{{dependency="{service}"}})')
    prometheus.becomes(1, "max(forge_operator_record_lag_seconds) < bool 30")

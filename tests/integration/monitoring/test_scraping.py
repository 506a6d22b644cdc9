"""A real Prometheus reads what the operator's own server answers, and evaluates the chart's rules over it."""

from pathlib import Path

import anyio.to_thread
import pytest

from forge_core.phase import Phase
from forge_operator.digests import Kind
from forge_operator.health import serving
from forge_operator.parts import Parts
from tests.builders.chart import CHART
from tests.builders.exposed import operator_parts
from tests.builders.operator import make_job, make_namespace, make_queue, with_status
from tests.services.ports import free_port
from tests.services.prometheus import Prometheus, Target, prometheus_server
from tests.services.waiting import wait_until
from tests.unit.operator_io.test_metrics import end

pytestmark = pytest.mark.anyio
RULES = (CHART / "monitoring" / "rules.yaml").read_text()


def leads(parts: Parts) -> None:
    """As an operator that has listed a cluster with one waiting and one completed job, and to which all answers."""
    done = with_status(make_job("done"), phase="Completed")
    for kind, raw in ((Kind.NAMESPACE, make_namespace()), (Kind.JOB_QUEUE, make_queue()),
                      (Kind.ANALYSIS_JOB, make_job("waits")), (Kind.ANALYSIS_JOB, done)):  # fmt: skip
        parts.sink.seen(kind, "ADDED", raw, "list")
    for kind in Kind:
        parts.sink.listed(kind, {digest.uid for digest in parts.picture.held(kind)}, 99)
    parts.lease._until = parts.lease._clock() + 600
    parts.users.available = parts.dependencies.history = parts.dependencies.api = True
    parts.recorder._pending.clear()
    parts.recorder._since.clear()


async def test_prometheus_reads_sizes_counts_an_increase_and_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    def look(port: int) -> None:
        target = Target(f"127.0.0.1:{port}", {"namespace": "f", "pod": "operator-a"})
        with prometheus_server(tmp_path, [target], RULES) as prometheus:
            prometheus.becomes(1, 'queue_size{queue="analysis", status="completed"}')
            prometheus.becomes(1, 'queue_size{queue="analysis", status="waiting"}')
            prometheus.becomes(0, 'jobs_processed_total{queue="analysis", status="completed"}')
            parts.metrics.ended([end(seconds=7)])
            wait_until(lambda: increase(prometheus) > 0, 30, "the increase is seen")
            prometheus.becomes(1, 'job_duration_seconds_bucket{queue="analysis", le="10.0"}')
            prometheus.becomes(0, 'job_duration_seconds_bucket{queue="analysis", le="5.0"}')
            wait_until(prometheus.evaluated, 30, "every rule was evaluated")
            firing = {name for name, state in prometheus.alerts().items() if state == "firing"}
            assert firing == set()

    async with operator_parts() as parts:
        leads(parts)
        async with serving(free_port(), parts.health, parts.exposition) as port:
            await anyio.to_thread.run_sync(look, port)


def increase(prometheus: Prometheus) -> float:
    word = Phase.COMPLETED.lower()
    return prometheus.value(f'increase(jobs_processed_total{{queue="analysis", status="{word}"}}[5m])') or 0.0

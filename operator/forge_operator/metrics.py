"""What Prometheus reads. The three names of ADR-006 come first; the rest says how the operator itself fares."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from forge_core.history.records import End
from forge_core.resource import Phase

DURATION_BUCKETS: Final = (1, 5, 10, 30, 60, 120, 300)
"""Seconds, ADR-006."""
STATUS_WORDS: Final = {
    Phase.QUEUED: "waiting",
    Phase.RUNNING: "active",
    Phase.CANCELLING: "cancelling",
    Phase.COMPLETED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}

Sizes = Callable[[], Iterable[tuple[str, Phase, int]]]
"""(queue, phase, AnalysisJobs in the cluster), asked at each scrape."""


class _QueueSizes(Collector):
    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("queue_size", "AnalysisJobs in the cluster.", labels=["queue", "status"])
        for queue, phase, count in self._sizes():
            family.add_metric([queue, STATUS_WORDS[phase]], count)
        yield family


class Metrics:
    """All of the operator's metrics, in a registry of their own."""

    def __init__(self, sizes: Sizes) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_QueueSizes(sizes))
        self._ended = Counter(
            "jobs_processed_total", "Jobs that ended, each once.", ["queue", "status"], registry=self.registry
        )
        self._took = Histogram(
            "job_duration_seconds", "From startedAt to completedAt, retries included.", ["queue"],
            buckets=DURATION_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.decide = Histogram(
            "forge_operator_decide_seconds", "One decision over the whole picture.",
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2), registry=self.registry,
        )  # fmt: skip
        self.writes = Histogram(
            "forge_operator_write_seconds", "One write to the API server, by action and outcome.",
            ["action", "outcome"], buckets=(0.01, 0.05, 0.2, 1, 5, 30), registry=self.registry,
        )  # fmt: skip
        self.events = Counter(
            "forge_operator_events_total", "Events observed, by kind and source.", ["kind", "source"],
            registry=self.registry,
        )  # fmt: skip
        self.unrecorded = Gauge(
            "forge_operator_unrecorded", "Statuses that PostgreSQL doesn't have yet.", registry=self.registry
        )
        self.record_lag = Gauge(
            "forge_operator_record_lag_seconds", "Age of the oldest such status.", registry=self.registry
        )
        self.waiting_writes = Gauge("forge_operator_writes_waiting", "Actions in hand.", registry=self.registry)
        self.holds_lease = Gauge("forge_operator_holds_lease", "1 while this replica acts.", registry=self.registry)

    def ended(self, ends: Iterable[End]) -> None:
        """Count ends whose first recording just committed."""
        for end in ends:
            self._ended.labels(end.queue, STATUS_WORDS[end.phase]).inc()
            if end.started_at is not None and end.completed_at is not None:
                seconds = (end.completed_at - end.started_at).total_seconds()
                self._took.labels(end.queue).observe(max(seconds, 0.0))

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)

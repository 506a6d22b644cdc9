"""What Prometheus reads. The three names of ADR-006 come first; the rest says how the operator itself fares.

Counters are this process's own: they begin at 0 with it, as Prometheus expects (`increase` and `rate` see to it). What
ended is counted by the replica that recorded it first, once its transaction has committed: never twice, whoever is
restarted; an end whose commit was the last thing a process did is in PostgreSQL and in no counter.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from forge_core.cluster import Call
from forge_core.exits import FailureClass
from forge_core.history.outbox import Channel
from forge_core.history.records import End
from forge_core.phase import Phase
from forge_operator.admission.latency import Latency
from forge_operator.scraped import STATUS_WORDS, UNKNOWN_QUEUE

DURATION_BUCKETS: Final = (1, 5, 10, 30, 60, 120, 300)
"""Seconds, ADR-006."""
WAIT_BUCKETS: Final = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
"""Seconds: a webhook waits for one, a clean-up may wait for a night."""
ADMISSION_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30)
ENDED: Final = tuple(phase for phase in Phase if phase.terminal)
CLASSES: Final = frozenset(each.value for each in FailureClass)
OTHER: Final = "other"
disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter that nobody asks for
_WRITES: Final = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class _Looked(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


class Metrics:
    """All of the operator's metrics, in a registry of their own.

    `families` are looked up at each scrape (see `scraped`). `known` says whether a queue is there: any other is
    counted as "(unknown)", for a manifest may name what it likes.
    """

    def __init__(self, families: Callable[[], Iterable[Metric]], known: Callable[[str], bool] = lambda _: True) -> None:
        self.registry = CollectorRegistry()
        self._known = known
        self._queues: set[str] = set()
        self.registry.register(_Looked(families))
        ProcessCollector(registry=self.registry)
        self._of_jobs()
        self._of_the_operator()
        self._of_the_outbox()
        self.latency = Latency(lambda queue, seconds: self._admission.labels(self._queue(queue)).observe(seconds))

    def _of_jobs(self) -> None:
        self._ended = self._counter("jobs_processed_total", "Jobs that ended, each once.", "queue", "status")
        self._took = self._histogram(
            "job_duration_seconds", "From startedAt to completedAt, retries included.", DURATION_BUCKETS, "queue"
        )
        self._waited = self._histogram(
            "forge_job_wait_seconds", "From a job's creation to its admission.", WAIT_BUCKETS, "queue"
        )
        self._admission = self._histogram(
            "forge_admission_seconds", "From the change that let a job start until its Job was made.",
            ADMISSION_BUCKETS, "queue",
        )  # fmt: skip
        self._attempts = self._counter(
            "forge_attempts_total", "Attempts of ended jobs, by how each ended.", "queue", "outcome", "class"
        )
        self._dead = self._counter("forge_dead_letters_total", "Jobs that ended Failed, by why.", "queue", "class")
        self._breaches = self._counter(
            "forge_sla_breaches_total", "Jobs whose SLA's clock ran out, counted when it did.", "queue"
        )

    def _of_the_operator(self) -> None:
        self.decide = self._histogram(
            "forge_operator_decide_seconds", "One decision over the whole picture.",
            (0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2),
        )  # fmt: skip
        self.writes = self._histogram(
            "forge_operator_write_seconds", "One action carried out, by action and outcome.",
            (0.01, 0.05, 0.2, 1, 5, 30), "action", "outcome",
        )  # fmt: skip
        self._asked = self._counter(
            "forge_kubernetes_writes_total", "Writes sent to the API server.", "verb", "resource", "outcome"
        )
        self.events = self._counter(
            "forge_operator_events_total", "Events observed, by kind and source.", "kind", "source"
        )
        self.unrecorded = self._gauge("forge_operator_unrecorded", "Statuses that PostgreSQL doesn't have yet.")
        self.record_lag = self._gauge("forge_operator_record_lag_seconds", "Age of the oldest such status.")
        self.unwritten_notes = self._gauge(
            "forge_operator_timeline_waiting", "Notes of timelines that PostgreSQL doesn't have yet."
        )
        self.dropped_notes = self._gauge(
            "forge_operator_timeline_dropped", "Such notes that no room was left for, since the start."
        )
        self.waiting_writes = self._gauge("forge_operator_writes_waiting", "Actions in hand.")
        self.holds_lease = self._gauge("forge_operator_holds_lease", "1 while this replica acts.")
        self.dependencies = self._gauge("forge_dependency_up", "1 while it answers the operator.", "dependency")

    def _of_the_outbox(self) -> None:
        """Events and alerts: `channel` is `events` or `alerts`."""
        self.outbox_backlog = self._gauge(
            "forge_outbox_backlog", "Rows of the outbox that are not published yet.", "channel"
        )
        self.outbox_lag = self._gauge("forge_outbox_lag_seconds", "Age of the oldest such row.", "channel")
        self.published = self._counter(
            "forge_outbox_published_total", "Rows of the outbox that were published, each once.", "channel"
        )
        self.unpublished = self._counter(
            "forge_outbox_failures_total", "Publications that failed and are tried again.", "channel"
        )
        self.alerts_given_up = self._gauge(
            "forge_alerts_given_up", "Alerts that failed too often and are tried no more."
        )
        for metric in (self.outbox_backlog, self.outbox_lag, self.published, self.unpublished):
            for channel in Channel:
                metric.labels(channel)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, says, labels, buckets=buckets, registry=self.registry)

    # --- jobs ---

    def ended(self, ends: Iterable[End]) -> None:
        """Count ends whose first recording just committed, and the attempts that led to them."""
        for end in ends:
            queue = self._queue(end.queue)
            self._ended.labels(queue, STATUS_WORDS[end.phase]).inc()
            if end.started_at is not None and end.completed_at is not None:
                seconds = (end.completed_at - end.started_at).total_seconds()
                self._took.labels(queue).observe(max(seconds, 0.0))
            if end.breached:
                self.breached(end.queue)
            if end.phase is Phase.FAILED:
                self._dead.labels(queue, _class(end.failure_class)).inc()
            for tried in end.attempts:
                failed = tried.outcome != "succeeded"
                word = _class(tried.failure_class) if failed else ""
                self._attempts.labels(queue, "failed" if failed else "succeeded", word).inc(tried.count)

    def breached(self, queue: str) -> None:
        """Count a job whose SLA's clock ran out, once its row says so."""
        self._breaches.labels(self._queue(queue)).inc()

    def admitted(self, queue: str, uid: str, waited: float | None) -> None:
        """A Job was made for an AnalysisJob that was created `waited` seconds before (None: it is gone by now)."""
        if waited is not None:
            self._waited.labels(self._queue(queue)).observe(max(waited, 0.0))
        self.latency.made(queue, uid)

    def begin(self, queues: Iterable[str]) -> None:
        """Show queues at 0 before anything happens in them: Prometheus can't see an increase from nothing."""
        for queue in queues:
            if queue in self._queues:
                continue
            self._queues.add(queue)
            for phase in ENDED:
                self._ended.labels(queue, STATUS_WORDS[phase])
            for histogram in (self._took, self._waited, self._admission):
                histogram.labels(queue)
            self._breaches.labels(queue)
            self._attempts.labels(queue, "succeeded", "")
            for word in CLASSES:
                self._attempts.labels(queue, "failed", word)
                self._dead.labels(queue, word)

    def _queue(self, queue: str) -> str:
        return queue if queue in self._queues or self._known(queue) else UNKNOWN_QUEUE

    # --- the API server ---

    def asked(self, call: Call, outcome: str) -> None:
        """A request was answered, or not; only writes are counted."""
        verb = _WRITES.get(call.method)
        if verb is not None:
            self._asked.labels(verb, call.resource, outcome).inc()

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)


def _class(word: str) -> str:
    return word if word in CLASSES else OTHER

"""What is looked up in the picture at each scrape: facts of the cluster, right again once a restart has listed it.

How many jobs there are is told by the replica that holds the Lease alone, and only once its picture is complete: so
sums over replicas are right, and a beginning is no dip.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from forge_core.phase import Phase
from forge_operator.admission.admitting import admissions
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from forge_operator.reasons import Reason

STATUS_WORDS: Final = {
    Phase.QUEUED: "waiting",
    Phase.RUNNING: "active",
    Phase.CANCELLING: "cancelling",
    Phase.COMPLETED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}
UNKNOWN_QUEUE: Final = "(unknown)"
"""For all queues that aren't there: whoever applies a job may name any, and labels must stay few. No queue can be
called this."""


def families(picture: Picture, leads: bool, now: datetime) -> Iterator[Metric]:
    """The families, those that a standby doesn't tell without samples."""
    tells = leads and not picture.missing
    yield _gauge("queue_size", "AnalysisJobs in the cluster.", ("queue", "status"), sizes(picture) if tells else ())
    yield _gauge(
        "forge_jobs_waiting", "Jobs that wait, by the gate that holds them.", ("queue", "reason"),
        waiting(picture, now) if tells else (),
    )  # fmt: skip
    specs = [(name, queue.spec) for name, queue in sorted(picture.queues.items()) if queue.spec] if tells else []
    yield _gauge(
        "forge_queue_concurrency", "Jobs that a queue may run at once.", ("queue",),
        (((name,), spec.concurrency) for name, spec in specs),
    )  # fmt: skip
    yield _gauge(
        "forge_queue_paused", "1 while a queue is paused.", ("queue",), (((name,), spec.paused) for name, spec in specs)
    )
    yield _gauge(
        "forge_operator_picture_objects", "Objects held in memory.", ("kind",),
        (((kind.value,), len(picture.held(kind))) for kind in Kind if kind is not Kind.EVENT),
    )  # fmt: skip


def sizes(picture: Picture) -> Iterator[tuple[tuple[str, str], int]]:
    """((queue, status), AnalysisJobs): zeros of known queues included, unknown ones as one when there are any."""
    counted = Counter(
        (_known(picture, job.queue), STATUS_WORDS[job.status.phase]) for job in picture.analysis_jobs.values()
    )
    for queue in sorted({*picture.queues, *(queue for queue, _ in counted)}):
        for word in STATUS_WORDS.values():
            yield (queue, word), counted[queue, word]


def waiting(picture: Picture, now: datetime) -> Iterator[tuple[tuple[str, str], int]]:
    """((queue, reason), jobs) of all that wait; of known queues every reason, so that none vanishes when it is over."""
    counted = Counter(
        (_known(picture, job.queue), refusal.reason)
        for admission in admissions(picture, now)
        for job, refusal in admission.refusals()
    )
    known = [(queue, reason) for queue in picture.queues for reason in GATE_REASONS]
    for queue, reason in sorted({*known, *counted}):
        yield (queue, reason.value), counted[queue, reason]


GATE_REASONS: Final = tuple(Reason)[: tuple(Reason).index(Reason.ADMITTED)]
"""Why a job may wait: those before Admitted, in the order of the gates."""


def _known(picture: Picture, queue: str) -> str:
    return queue if queue in picture.queues else UNKNOWN_QUEUE


def _gauge(
    name: str, says: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family

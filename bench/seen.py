"""What the operator says of itself: its metrics, read through the API server."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from bench.place import RELEASE_NAMESPACE, kubectl
from forge_core.cluster import Cluster, leases
from forge_core.names import LEASE

PORT: Final = 8080
_PODS: Final = f"/api/v1/namespaces/{RELEASE_NAMESPACE}/pods"


@dataclass(frozen=True)
class Reading:
    """The operator's metrics at one moment; all but `rss_mb` and `objects` grow from the process's beginning."""

    cpu_s: float = 0.0
    rss_mb: float = 0.0
    decide_s: float = 0.0
    decisions: float = 0.0
    writes: Mapping[str, float] = field(default_factory=dict)
    """By "verb resource", each time it was sent."""
    events: Mapping[str, float] = field(default_factory=dict)
    """By kind."""
    objects: Mapping[str, float] = field(default_factory=dict)
    """Held in its picture, by kind."""

    def since(self, before: "Reading", jobs: int) -> dict[str, Any]:
        """What a job cost on average: milliseconds of the operator's processor time, writes and events."""
        return {
            "cpu_ms_per_job": round(1000 * (self.cpu_s - before.cpu_s) / jobs, 2),
            "decide_ms_per_job": round(1000 * (self.decide_s - before.decide_s) / jobs, 2),
            "decisions": round(self.decisions - before.decisions),
            "writes_per_job": _grown(before.writes, self.writes, jobs),
            "events_per_job": _grown(before.events, self.events, jobs),
        }


def _grown(before: Mapping[str, float], after: Mapping[str, float], jobs: int) -> dict[str, float]:
    grown = {name: round((count - before.get(name, 0.0)) / jobs, 2) for name, count in after.items()}
    return {name: count for name, count in sorted(grown.items()) if count}


def read(text: str) -> Reading:
    """A reading of the exposition; what isn't in it reads as nothing."""
    single: defaultdict[str, float] = defaultdict(float)
    by: dict[str, defaultdict[str, float]] = {name: defaultdict(float) for name in _LABELS}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in by:
                label = " ".join(sample.labels[part] for part in _LABELS[sample.name])
                by[sample.name][label] += sample.value
            elif not sample.labels:
                single[sample.name] += sample.value
    return Reading(
        cpu_s=single["process_cpu_seconds_total"],
        rss_mb=round(single["process_resident_memory_bytes"] / 1e6, 1),
        decide_s=single["forge_operator_decide_seconds_sum"],
        decisions=single["forge_operator_decide_seconds_count"],
        writes=by["forge_kubernetes_writes_total"],
        events=by["forge_operator_events_total"],
        objects=by["forge_operator_picture_objects"],
    )


_LABELS: Final = {
    "forge_kubernetes_writes_total": ("verb", "resource"),
    "forge_operator_events_total": ("kind",),
    "forge_operator_picture_objects": ("kind",),
}


async def leader(cluster: Cluster) -> str:
    """The name of the pod that holds the operator's Lease, "" when nobody does."""
    lease = await cluster.get(leases(RELEASE_NAMESPACE, LEASE))
    holder = str(lease["spec"].get("holderIdentity") or "")
    return holder.rpartition("_")[0]


async def reading(cluster: Cluster) -> Reading:
    """What the active operator says now. Raises RuntimeError when it doesn't answer."""
    pod = await leader(cluster)
    return read(await kubectl("get", "--raw", f"{_PODS}/{pod}:{PORT}/proxy/metrics"))

"""Prometheus metrics of the clone cache. Never labelled by tenant or repository, so their number stays bounded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics

from forge_clones.eviction import Held

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter that nobody asks for


@dataclass(frozen=True)
class Metrics:
    """One set per process; `registry` is what /metrics shows. `held` is asked at each scrape."""

    held: Callable[[], Iterable[Held]]
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    brought: Counter = field(init=False)
    read: Counter = field(init=False)
    evicted: Counter = field(init=False)

    def __post_init__(self) -> None:
        """Make each in `registry`."""
        ProcessCollector(registry=self.registry)
        made = {
            "brought": Counter(
                "forge_clones_brought", "Mirrors asked for, by answer.", ["answer"], registry=self.registry
            ),
            "read": Counter("forge_clones_reads", "Fetches from mirrors, by end.", ["end"], registry=self.registry),
            "evicted": Counter(
                "forge_clones_evicted", "Mirrors removed, by cause: size, disk, clean-up.", ["cause"],
                registry=self.registry,
            ),
        }  # fmt: skip
        for name, metric in made.items():
            object.__setattr__(self, name, metric)
        mirrors = Gauge("forge_clones_mirrors", "Mirrors held.", registry=self.registry)
        mirrors.set_function(lambda: sum(1 for _ in self.held()))
        size = Gauge("forge_clones_bytes", "Bytes that the mirrors take.", registry=self.registry)
        size.set_function(lambda: sum(each.size for each in self.held()))

"""What the programs really expose: each metric's name, kind, help and labels, read from their own registries."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry

import forge_api.metrics
import forge_clones.metrics
from forge_core.history.database import History
from forge_core.progress import Progress
from forge_operator.parts import Connections, Parts
from forge_operator.settings import Settings
from tests.services.apiserver import scripted

_ENDINGS: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Exposed:
    """One metric; `program` is `operator`, `api` or `clones`, `series` the names that PromQL knows it by."""

    name: str
    program: str
    kind: str
    says: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(self.name + ending for ending in _ENDINGS.get(self.kind, ("",)))

    @property
    def all_labels(self) -> frozenset[str]:
        return frozenset((*self.labels, *(["le"] if self.kind == "histogram" else [])))


@asynccontextmanager
async def operator_parts(**changes: Any) -> AsyncIterator[Parts]:
    """All of the operator, as the program puts it together; nothing of it runs and nothing answers."""
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:9/none", redis_url="redis://127.0.0.1:9", api_url="http://127.0.0.1:9",
        **changes,
    )  # fmt: skip
    async with (
        scripted() as (cluster, _),
        History.connect(settings.database_url) as history,
        Progress.connect(settings.redis_url) as progress,
    ):
        yield Parts(settings, Connections(cluster, history, progress))


async def exposed() -> list[Exposed]:
    """The metrics of all programs, without those of the process itself."""
    async with operator_parts() as parts:
        operator = list(_read(parts.metrics.registry, "operator"))
    api = _read(forge_api.metrics.Metrics().registry, "api")
    clones = _read(forge_clones.metrics.Metrics(list).registry, "clones")
    return [*operator, *api, *clones]


def _read(registry: CollectorRegistry, program: str) -> Iterator[Exposed]:
    for collector in list(registry._collector_to_names):
        described: list[Any] = [collector] if hasattr(collector, "_labelnames") else list(collector.collect())
        for metric in described:
            name = getattr(metric, "_name", None) or metric.name
            says = getattr(metric, "_documentation", None) or metric.documentation
            kind = getattr(metric, "_type", None) or metric.type
            if not name.startswith("process_"):
                yield Exposed(name, program, kind, says, tuple(getattr(metric, "_labelnames", ())))

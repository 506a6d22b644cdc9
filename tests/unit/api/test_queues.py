"""Which queue takes whose jobs, by what the cluster said lately; and the template that a request is counted under."""

from types import SimpleNamespace
from typing import Any

import pytest

from forge_api import looked_up
from forge_api.metrics import template_of
from forge_api.problems import Problem
from forge_api.queues import Queues
from forge_core.cluster import ClusterError, job_queues
from forge_core.names import SYSTEM_LABEL
from tests.builders.api import MemoryCluster

pytestmark = pytest.mark.anyio
SYSTEM = {SYSTEM_LABEL: "true"}


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.queue("analysis")
    cluster.queue("cleanup", namespaceSelector={"matchLabels": SYSTEM})
    return cluster


async def refusal(queues: Queues, name: str, labels: dict[str, str] | None = None) -> Problem:
    """Why the queue takes no job of a namespace with these labels."""
    with pytest.raises(Problem) as refused:
        await queues.serving(name, "tenant-acme", labels or {})
    return refused.value


async def test_a_queue_without_a_selector_serves_everybody_and_one_with_it_those_who_carry_its_labels(
    cluster: MemoryCluster,
) -> None:
    queues = Queues(cluster)
    assert (await queues.serving("analysis", "tenant-acme", {})).job_type == "analysis"
    assert (await queues.serving("cleanup", "forge-system", {**SYSTEM, "more": "x"})).job_type == "cleanup"
    for labels in ({}, {SYSTEM_LABEL: "false"}, {SYSTEM_LABEL: ""}, {"system": "true"}):
        assert (await refusal(queues, "cleanup", labels)).status_code == 403, labels


@pytest.mark.parametrize("selector", [{"matchExpressions": []}, {"matchLabels": ["a"]}, {"matchLabels": {"a": 1}}])
async def test_a_selector_that_can_not_be_read_serves_nobody(cluster: MemoryCluster, selector: Any) -> None:
    cluster.queue("odd", namespaceSelector=selector)
    assert (await refusal(Queues(cluster), "odd", {"a": "1"})).status_code == 403


async def test_a_queue_that_is_missing_or_broken_says_so(cluster: MemoryCluster) -> None:
    cluster.put(job_queues("broken"), {"spec": {"jobType": "analysis"}})
    cluster.put(job_queues("empty"), {})
    queues = Queues(cluster)
    assert (await refusal(queues, "nowhere")).detail == "Queue not found"
    for name in ("broken", "empty"):
        assert (await refusal(queues, name)).status_code == 409, name


async def test_the_cluster_is_asked_once_for_many_submissions(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_up, "KEEP_SECONDS", 3600)
    queues = Queues(cluster)
    for _ in range(5):
        await queues.serving("analysis", "tenant-acme", {})
    assert len(cluster.calls) == 1


async def test_an_unknown_name_is_looked_for_again_but_never_makes_a_call_each(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_up, "UNKNOWN_SECONDS", 3600)
    queues = Queues(cluster)
    for number in range(50):
        await refusal(queues, f"guess-{number}")
    assert len(cluster.calls) == 1
    monkeypatch.setattr(looked_up, "UNKNOWN_SECONDS", 0)
    cluster.queue("new")
    assert (await queues.serving("new", "tenant-acme", {})).job_type == "new"


async def test_while_the_cluster_is_away_what_is_known_stays_and_nothing_known_is_told(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = Queues(cluster)
    cluster.away = True
    with pytest.raises(ClusterError):
        await queues.serving("analysis", "tenant-acme", {})
    cluster.away = False
    await queues.serving("analysis", "tenant-acme", {})
    cluster.away = True
    monkeypatch.setattr(looked_up, "KEEP_SECONDS", 0)
    assert (await queues.serving("analysis", "tenant-acme", {})).job_type == "analysis"


@pytest.mark.parametrize(
    ("path", "known", "counted"),
    [
        ("/jobs", "", "/jobs"),
        ("/jobs/1/results", "/{job_id}/results", "/jobs/{job_id}/results"),
        ("/analyses/1", "/{job_id}", "/analyses/{job_id}"),
        ("/usage", "/usage", "/usage"),
        ("/internal/v1/attempts/1/outcome", "/internal/v1/attempts/{attempt}/outcome", ""),
        ("/anything/at/all", None, "unmatched"),
    ],
)
def test_a_request_is_counted_under_its_whole_template(path: str, known: str | None, counted: str) -> None:
    route = {} if known is None else {"route": SimpleNamespace(path_format=known)}
    assert template_of({"type": "http", "path": path, **route}) == (counted or known)

"""The queues that the chart installs: their numbers, and which of them are open."""

import pytest

from forge_core.durations import parse_duration
from forge_core.resource import QueueSpec
from tests.builders.chart import VALUES, only, rendered


@pytest.mark.parametrize("values", VALUES)
def test_every_queue_is_one_that_the_programs_can_read(values: str) -> None:
    queues = [manifest for manifest in rendered(values) if manifest["kind"] == "JobQueue"]
    assert {queue["metadata"]["name"] for queue in queues} == {
        "analysis", "refactoring", "test-generation", "webhooks", "cleanup",
    }  # fmt: skip
    for queue in queues:
        assert QueueSpec.read(queue["spec"]).default_resource_class in queue["spec"]["resourceClasses"]


ADR_006 = {  # queue: concurrency, SLA, attempts, backoff, delay, timeout, default priority
    "analysis": (10, 300, 3, "exponential", 2, 900, 1),
    "refactoring": (5, 600, 2, "fixed", 5, 1800, 1),
    "test-generation": (5, 600, 2, "fixed", 5, 1800, 5),
    "webhooks": (50, 5, 5, "exponential", 1, 30, 1),
    "cleanup": (2, None, 1, "none", 0, 3600, 10),
}


@pytest.mark.parametrize("name", ADR_006)
def test_the_queues_have_the_numbers_of_the_adr(name: str) -> None:
    queue = QueueSpec.read(only(rendered(), "JobQueue", name)["spec"])
    backoff = queue.retry.backoff
    assert (
        queue.concurrency, queue.sla.limit if queue.sla else None, queue.retry.attempts, backoff.type, backoff.delay,
        queue.timeout, queue.default_priority,
    ) == ADR_006[name]  # fmt: skip
    assert (queue.retention.completed.age, queue.retention.completed.count) == (24 * 3600, 1000)
    assert (queue.retention.failed.age, queue.retention.failed.count) == (7 * 24 * 3600, 5000)


def test_webhooks_are_repeated_after_1_2_4_and_8_seconds() -> None:
    backoff = QueueSpec.read(only(rendered(), "JobQueue", "webhooks")["spec"]).retry.backoff.policy()
    assert [backoff.pause_after(failed) for failed in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert backoff.max_delay == 16


def test_at_most_100_analyses_start_in_a_minute() -> None:
    limit = QueueSpec.read(only(rendered(), "JobQueue", "analysis")["spec"]).rate_limit
    assert limit is not None
    assert (limit.max, limit.per) == (100, 60)


def test_the_large_values_hold_ten_thousand_analyses_at_once() -> None:
    large = rendered("values-large.yaml")
    queue = QueueSpec.read(only(large, "JobQueue", "analysis")["spec"])
    assert queue.concurrency == 10_000
    assert queue.rate_limit is not None
    assert queue.rate_limit.max * parse_duration("5m") / queue.rate_limit.per >= 10_000
    assert int(only(large, "ResourceQuota", "forge-jobs", "tenant-demo")["spec"]["hard"]["pods"]) >= 10_000


def test_only_queues_whose_kind_is_built_are_open() -> None:
    queues = [manifest for manifest in rendered() if manifest["kind"] == "JobQueue"]
    assert [queue["metadata"]["name"] for queue in queues if not queue["spec"]["paused"]] == [
        "analysis",
        "cleanup",
        "refactoring",
        "test-generation",
        "webhooks",
    ]
    for queue in queues:
        described = queue["metadata"]["annotations"]["forge-factory.dev/description"]
        assert queue["spec"]["paused"] == ("Paused" in described)


def test_a_queue_without_an_image_is_paused_and_says_why() -> None:
    queue = only(rendered(images__runners__analysis="null"), "JobQueue", "analysis")
    assert queue["spec"]["paused"] is True
    assert "images.runners.analysis" in queue["metadata"]["annotations"]["forge-factory.dev/paused-because"]

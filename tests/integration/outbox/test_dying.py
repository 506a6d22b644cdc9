"""Publishers that are killed, at each step and at any moment: every event is read, in order within its job."""

import random
import signal
import time
from contextlib import ExitStack
from functools import partial

import pytest

from forge_core.history.database import History
from tests.integration.outbox.conftest import (
    Reader,
    add_events,
    all_published,
    by_job,
    end_jobs,
    publisher,
    publishing,
    unpublished,
    written,
)
from tests.services.waiting import wait_until

pytestmark = pytest.mark.anyio
STEPS = [
    (when, call, number)
    for call, number in (("tenants", 1), ("heads", 1), ("publish_events", 1), ("publish_events", 3), ("published", 3))
    for when in ("before", "after")
]
MORE = ["analysis.second", "analysis.third", "analysis.fourth"]


@pytest.fixture
async def outbox(history: History, history_url: str) -> str:
    """Twelve analyses with four events each, more than one batch."""
    for job in await end_jobs(history, "t", 12):
        add_events(history_url, job, "t", MORE)
    return history_url


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def redis_of_a_kind(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.mark.parametrize("step", STEPS, ids=lambda step: "-".join(map(str, step)))
async def test_a_publisher_killed_at_a_step_loses_nothing(
    history: History, outbox: str, redis_url: str, step: tuple[str, str, int]
) -> None:
    with publisher(outbox, redis_url, *step) as process:
        assert process.wait(180) == -signal.SIGKILL
    assert unpublished(outbox) > 0
    async with publishing(history, redis_url):
        await all_published(outbox)
    assert by_job(Reader(redis_url, "t").seen()) == by_job(written(outbox))


async def test_three_publishers_at_once_killed_at_random_keep_each_jobs_order(
    history: History, outbox: str, redis_of_a_kind: str
) -> None:
    for job in await end_jobs(history, "t", 100):
        add_events(outbox, job, "t", MORE)
    moments = random.Random(5)
    for _ in range(2):
        with ExitStack() as stack:
            left = unpublished(outbox)
            for _ in range(3):
                stack.enter_context(publisher(outbox, redis_of_a_kind))
            wait_until(partial(_fewer_than, left, outbox), 60, "one of them publishes")
            time.sleep(moments.random() * 0.03)
    async with publishing(history, redis_of_a_kind):
        await all_published(outbox)
    assert by_job(Reader(redis_of_a_kind, "t").seen()) == by_job(written(outbox))


def _fewer_than(left: int, outbox: str) -> bool:
    return unpublished(outbox) < max(left, 1)

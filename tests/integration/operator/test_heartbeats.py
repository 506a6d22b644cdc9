"""Heartbeats in a real Redis: what is heard of them, and what a Redis that went away does to silence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from forge_core.messages import ProgressMessage, ProgressUnavailable
from forge_core.progress import Progress
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink
from forge_operator.progress_copy import ProgressCopy
from forge_operator.stalls import stalled_pods
from tests.builders.operator import condition, make_child, make_job, make_picture, make_pod, with_status
from tests.services.redis import RedisServer

pytestmark = pytest.mark.anyio
JOB = make_job()
UID = JOB["metadata"]["uid"]
TENANT = JOB["metadata"]["namespace"]


@dataclass
class Watcher:
    """A copy of one running job's progress, by a clock of the test's own."""

    progress: Progress
    copy: ProgressCopy
    sink: Sink
    now: float = 0.0

    async def look(self, times: int, every: float = 1.0) -> None:
        """So many rounds."""
        for _ in range(times):
            self.now += every
            await self.copy.once()

    @property
    def stalled(self) -> list[str]:
        """Names of the pods that would be ended now."""
        return [action.name for action in stalled_pods(self.sink.picture)]


@pytest.fixture
async def watcher(redis_url: str) -> AsyncIterator[Watcher]:
    child = make_child(JOB)
    runs = with_status(JOB, phase="Running", conditions=[condition("Admitted", "Admitted")])
    picture = make_picture([(Kind.ANALYSIS_JOB, runs), (Kind.JOB, child), (Kind.POD, make_pod(child))])
    async with Progress.connect(redis_url) as progress:
        sink = Sink(picture, Metrics(lambda: ()), lambda _change: None)
        made: list[Watcher] = []
        copy = ProgressCopy(progress, sink, lambda: made[0].now)
        made.append(Watcher(progress, copy, sink))
        yield made[0]


async def test_a_runner_that_stops_beating_is_stalled_a_minute_later(watcher: Watcher) -> None:
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(60)
    assert watcher.stalled == []
    await watcher.look(1)
    assert watcher.stalled == ["pod-1"]
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(1)
    assert watcher.stalled == []


async def test_progress_is_a_sign_of_life_too(watcher: Watcher) -> None:
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(59)
    at = datetime.now(UTC)
    await watcher.progress.report(TENANT, ProgressMessage(uid=UID, attempt=1, stage="analyse", percent=5, at=at))
    await watcher.look(59)
    assert watcher.stalled == []


async def test_a_redis_that_was_emptied_makes_nobody_stalled(watcher: Watcher) -> None:
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(60)
    await watcher.progress._redis.flushall()
    await watcher.look(60)
    assert watcher.stalled == []


async def test_a_redis_that_was_started_anew_makes_nobody_stalled(watcher: Watcher, redis_one: RedisServer) -> None:
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(60)
    beat = await watcher.progress._redis.hgetall(_key())
    redis_one.stop()
    redis_one.start()
    await watcher.progress._redis.hset(_key(), mapping=beat)  # as if it had kept everything
    await watcher.look(60)
    assert watcher.stalled == []


async def test_while_redis_is_away_nobody_is_stalled(watcher: Watcher, redis_one: RedisServer) -> None:
    await watcher.progress.beat(TENANT, UID)
    await watcher.look(60)
    redis_one.stop()
    watcher.now += 1000
    with pytest.raises(ProgressUnavailable):
        await watcher.look(1)
    assert watcher.stalled == []


@pytest.mark.parametrize("beat", ["", "yesterday", "2026-03-01T12:00:00", "x" * 100_000, "9" * 400])
async def test_a_hostile_heartbeat_is_none(watcher: Watcher, beat: str) -> None:
    await watcher.progress._redis.hset(_key(), mapping={"heartbeat": beat})
    await watcher.look(400)
    assert watcher.stalled == []


def _key() -> Any:
    return f"forge:{{{TENANT}}}:job:{UID}"

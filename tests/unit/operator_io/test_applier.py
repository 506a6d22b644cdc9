"""Actions become writes: bounded, one at a time for each key, in the newest order, none without the Lease."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from forge_core.cluster import Unavailable
from forge_operator.actions import Action, SuspendJob
from forge_operator.apply.applier import PAUSES, Applier
from forge_operator.metrics import Metrics
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


@dataclass
class SlowWrites:
    """Writes that take until the gate is opened; the fake keeps what was begun."""

    begun: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    async def write(self, action: Action) -> None:
        self.begun.append(action.key)
        await self.gate.wait()
        if self.error:
            raise self.error


def actions(*names: str) -> list[Action]:
    return [SuspendJob("ns", name, name) for name in names]


def keys(*names: str) -> list[str]:
    return [f"suspend/{name}" for name in names]


def make_applier(
    writes: SlowWrites, *, at_once: int = 2, leading: bool = True, clock: Callable[[], float] = time.monotonic
) -> Applier:
    return Applier(writes, Metrics(list), lambda: leading, at_once, clock)


async def _settled(applier: Applier) -> bool:
    return applier.in_hand == 0


async def test_only_so_many_are_written_at_once_and_the_rest_follows() -> None:
    writes = SlowWrites()
    applier = make_applier(writes)
    applier.offer(actions("a", "b", "c"))
    await asyncio.sleep(0)
    assert writes.begun == keys("a", "b")
    assert applier.in_hand == 3
    writes.gate.set()
    await eventually(lambda: _settled(applier))
    assert writes.begun == keys("a", "b", "c")


async def test_what_is_in_hand_is_not_begun_again() -> None:
    writes = SlowWrites()
    applier = make_applier(writes)
    applier.offer(actions("a"))
    applier.offer(actions("a"))
    await asyncio.sleep(0)
    assert writes.begun == keys("a")


async def test_a_newer_decision_replaces_what_still_waits() -> None:
    writes = SlowWrites()
    applier = make_applier(writes, at_once=1)
    applier.offer(actions("a", "stale"))
    applier.offer(actions("urgent", "later"))
    writes.gate.set()
    await eventually(lambda: _settled(applier))
    assert writes.begun == keys("a", "urgent", "later")


async def test_without_the_lease_nothing_is_written() -> None:
    writes = SlowWrites()
    applier = make_applier(writes, leading=False)
    applier.offer(actions("a"))
    await asyncio.sleep(0)
    assert writes.begun == []


async def test_a_write_that_failed_rests_before_it_is_tried_again() -> None:
    writes = SlowWrites(error=Unavailable(500, "InternalError", "no"))
    writes.gate.set()
    now = 100.0
    applier = make_applier(writes, clock=lambda: now)
    applier.offer(actions("a"))
    await eventually(lambda: _settled(applier))
    applier.offer(actions("a", "b"))
    await eventually(lambda: _settled(applier))
    assert writes.begun == keys("a", "b")
    now += PAUSES.first
    applier.offer(actions("a"))
    await eventually(lambda: _settled(applier))
    assert writes.begun == keys("a", "b", "a")


async def test_when_the_api_server_asks_for_rest_nothing_else_is_begun() -> None:
    writes = SlowWrites(error=Unavailable(429, "TooManyRequests", "no", retry_after=20))
    writes.gate.set()
    applier = make_applier(writes, at_once=1)
    applier.offer(actions("a", "b"))

    async def one_is_left() -> bool:
        return applier.in_hand == 1

    await eventually(one_is_left)
    assert writes.begun == keys("a")


async def test_a_crash_of_one_write_ends_nothing_else() -> None:
    writes = SlowWrites(error=RuntimeError("a bug"))
    writes.gate.set()
    applier = make_applier(writes)
    applier.offer(actions("a", "b", "c"))
    await eventually(lambda: _settled(applier))
    assert writes.begun == keys("a", "b", "c")


async def test_stopping_abandons_what_does_not_end_in_time() -> None:
    writes = SlowWrites()
    applier = make_applier(writes, at_once=1)
    applier.offer(actions("a", "b"))
    await asyncio.sleep(0)
    await applier.stop(0.01)
    assert writes.begun == keys("a")
    assert applier.in_hand == 0

"""Work beside requests: it survives its failures, and it ends when it must."""

import asyncio
import contextlib

import pytest

from forge_api.background import ended, repeating
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_failure_does_not_end_the_work() -> None:
    calls = 0

    async def once() -> None:
        nonlocal calls
        calls += 1
        raise ValueError("no")

    async def often() -> bool:
        return calls >= 3

    async with repeating("test", once, 0.001):
        await eventually(often)


async def test_a_task_that_loses_a_cancellation_ends_nevertheless() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while lost < 3:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            lost += 1
        await asyncio.sleep(3600)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended(task)
    assert task.cancelled()

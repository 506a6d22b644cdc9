"""Tasks end when they must."""

import asyncio
import contextlib

import pytest

from forge_core.ending import ended

pytestmark = pytest.mark.anyio


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
    async with asyncio.timeout(60):
        await ended(task)
    assert task.cancelled()


async def test_what_a_task_raises_on_its_way_out_is_dropped() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("no")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await ended(task)
    assert task.done()

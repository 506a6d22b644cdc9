"""Work that goes on beside requests: one failure is logged and the work goes on, the end of the block ends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from forge_core.logs import get_logger

AGAIN_SECONDS: Final = 0.1
log = get_logger("api.background")


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel until they end; what they raise is dropped.

    One cancellation may be lost: before Python 3.12 asyncio.wait_for, which the Redis client sends with, swallows one
    that comes in the moment in which the wait is over (CPython issue 86296; one in five here, on a busy connection).
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def repeating(name: str, once: Callable[[], Awaitable[None]], seconds: float) -> AsyncIterator[None]:
    """Call `once` every `seconds` until the block ends."""

    async def forever() -> None:
        while True:
            try:
                await once()
            except Exception as error:
                log.warning("background work failed; it goes on", work=name, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(seconds)

    task = asyncio.create_task(forever(), name=name)
    try:
        yield
    finally:
        await ended(task)

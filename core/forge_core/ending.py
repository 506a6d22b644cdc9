"""Ending tasks that may lose a cancellation on the way."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.1


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel until they end; what they raise is dropped. Put it under `asyncio.timeout` where time is short.

    One cancellation may be lost: before Python 3.12 asyncio.wait_for, which the Redis client sends with, swallows one
    that comes in the moment in which the wait is over (CPython issue 86296; one in five here, on a busy connection).
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)

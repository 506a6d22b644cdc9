"""Work that goes on beside requests: one failure is logged and the work goes on, the end of the block ends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from forge_core.ending import ended
from forge_core.logs import get_logger

log = get_logger("api.background")


@asynccontextmanager
async def repeating(name: str, once: Callable[[], Awaitable[object]], seconds: float) -> AsyncIterator[None]:
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

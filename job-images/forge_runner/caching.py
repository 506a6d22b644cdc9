"""What a kind keeps from one job of a repository to the next: fetched before an attempt, stored after its outcome.

It never harms a job: without an answer in time the kind begins with nothing, and what can't be stored is only told.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from forge_runner.internal_api import Away, Fenced, InternalApi, Refused
from forge_runner.patience import within
from forge_runner.result_files import StoredArtifact

FETCH_ALLOWANCE: Final = 5.0
"""Seconds that an attempt waits for an API that is away; a job that begins may not be recorded yet."""
SECONDS: Final = 20.0
"""Of a fetch or a store, however slowly the bytes come."""


@dataclass(frozen=True)
class Caching:
    """`name` is the kind's, `tell` a line for the log."""

    api: InternalApi
    name: str
    tell: Callable[[str], None]

    async def fetched(self, attempt: int, file: Path) -> bool:
        """Whether `file` now holds what was kept. Raises Fenced."""
        call = partial(self.api.get_cache, attempt, self.name, file)
        try:
            async with asyncio.timeout(SECONDS):
                await within(FETCH_ALLOWANCE, call, lambda _why: None)
        except Refused:
            return False
        except (Away, OSError, TimeoutError) as error:
            self.tell(f"begun without a cache: {error or 'it took too long'}")
            return False
        return True

    async def store(self, attempt: int, cache: StoredArtifact) -> None:
        """Keep it, if that can be had in one try. Raises nothing."""
        try:
            async with asyncio.timeout(SECONDS):
                await self.api.put_cache(attempt, self.name, cache)
        except (Away, Fenced, Refused, OSError, TimeoutError) as error:
            self.tell(f"the cache could not be kept: {error or 'it took too long'}")

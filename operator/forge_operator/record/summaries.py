"""The small summary of a finished job, read from its stored result just before its last status is written."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from forge_core.history.database import HistoryUnavailable
from forge_core.history.records import Records

WAIT_SECONDS: Final = 2.0
"""A summary that can't be read by then is left out: the whole result is in the API anyway."""
MAX_FIELDS: Final = 16
DEPTH: Final = 4
"""As deep as the grade of one of the score's dimensions lies."""
MAX_TEXT: Final = 200


class Summaries:
    """Asks the history for all summaries that are wanted at about the same time by one query."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._asked: dict[UUID, asyncio.Future[dict[str, Any]]] = {}
        self._query: asyncio.Task[None] | None = None

    async def small(self, uid: str) -> dict[str, Any]:
        """The few numbers for `status.summary`; {} when there are none or the history is away."""
        asked = self._asked.setdefault(UUID(uid), asyncio.get_running_loop().create_future())
        if self._query is None or self._query.done():
            self._query = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return small(await asyncio.shield(asked))
        except TimeoutError:
            return {}

    async def _ask(self) -> None:
        while self._asked:
            await asyncio.sleep(0.005)
            asked, self._asked = self._asked, {}
            try:
                found = await self._records.summaries(list(asked))
            except HistoryUnavailable:
                found = {}
            for uid, answer in asked.items():
                if not answer.done():
                    answer.set_result(found.get(uid, {}))


def small(summary: Mapping[str, Any], depth: int = DEPTH) -> dict[str, Any]:
    """A summary without its lists, long texts, large mappings and what is nested deeper than `depth`."""
    kept: dict[str, Any] = {}
    for key, value in summary.items():
        if len(kept) == MAX_FIELDS:
            break
        if isinstance(value, Mapping) and depth > 1 and len(value) <= MAX_FIELDS:
            inner = small(value, depth - 1)
            kept |= {key: inner} if inner else {}
        elif _plain(value):
            kept[key] = value
    return kept


def _plain(value: object) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= MAX_TEXT)

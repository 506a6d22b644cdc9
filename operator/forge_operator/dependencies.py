"""Whether the API and PostgreSQL answer: without them a runner could claim nothing, so nothing is admitted."""

import asyncio
from typing import Final

import aiohttp

from forge_core import logs
from forge_core.history.database import History, HistoryUnavailable
from forge_operator.observe.sink import Sink

LOOK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 3.0
PATIENCE: Final = 2
"""Failed looks in a row before the API counts as away: one may meet a replica that is just ending."""

_log = logs.get_logger(__name__)


class Dependencies:
    """Looks every two seconds and tells the picture."""

    def __init__(self, sink: Sink, history: History, api_url: str) -> None:
        self._sink = sink
        self._history = history
        self._url = api_url.rstrip("/") + "/healthz"
        self._failures = PATIENCE
        self.api = False
        self.history = False

    async def keep(self) -> None:
        """For ever."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session:
            while True:
                await self.look(session)
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """One look at both."""
        api, history = await asyncio.gather(self._ask_api(session), self._ask_history())
        self._failures = self._failures + 1 if api else 0
        self.api = self._failures < PATIENCE
        self.history = not history
        self._tell("the API", "" if self.api else api)
        self._tell("PostgreSQL", history)

    def _tell(self, name: str, error: str) -> None:
        if self._sink.picture.dependency(name, error):
            _log.info("a dependency is away: nothing is admitted" if error else "a dependency answers", dependency=name,
                      error=error)  # fmt: skip
            self._sink.dirty.set()

    async def _ask_api(self, session: aiohttp.ClientSession) -> str:
        try:
            async with session.get(self._url) as answer:
                return "" if answer.status < 500 else f"answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{type(error).__name__}: {error}"[:200]

    async def _ask_history(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_SECONDS + 3):
                await self._history.ping()
        except HistoryUnavailable as error:
            return str(error)
        except TimeoutError:
            return "no answer"
        return ""

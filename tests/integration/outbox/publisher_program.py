"""A publisher as a process of its own, which may be told to kill itself at one step.

`die` names a call of its two services, `before` or `after` it, and which one in order: ["after", "publish_events", 2].
"""

import asyncio
import os
import signal
from collections import Counter
from typing import Any

from forge_core.history.database import History
from forge_core.history.outbox import Outbox
from forge_core.progress import Progress
from forge_operator.metrics import Metrics
from forge_operator.outbox import publishing
from forge_operator.outbox.publishing import EventPublisher

BATCH = 5


class Mortal:
    """A service whose caller dies around one of its calls."""

    def __init__(self, service: Any, die: list[Any], calls: Counter[str]) -> None:
        self._service = service
        self._die = die
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        """The service's method, and death when it is its turn."""

        async def call(*arguments: Any) -> Any:
            self._calls[name] += 1
            number = self._calls[name]
            self._step("before", name, number)
            answer = await getattr(self._service, name)(*arguments)
            self._step("after", name, number)
            return answer

        return call

    def _step(self, *step: Any) -> None:
        if list(step) == self._die:
            os.kill(os.getpid(), signal.SIGKILL)


def publish(database: str, redis_url: str, die: list[Any]) -> None:
    """Publish until killed."""
    asyncio.run(_publish(database, redis_url, die))


async def _publish(database: str, redis_url: str, die: list[Any]) -> None:
    publishing.BATCH = BATCH  # type: ignore[misc]  # several batches of few events
    calls: Counter[str] = Counter()
    async with History.connect(database) as history, Progress.connect(redis_url) as progress:
        outbox: Any = Mortal(Outbox(history), die, calls)
        streams: Any = Mortal(progress, die, calls)
        await EventPublisher(outbox, streams, Metrics(list), lambda: True).keep()

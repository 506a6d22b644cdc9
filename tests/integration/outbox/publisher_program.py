"""A publisher as a process of its own, which may be told to kill itself at one step: argv is JSON.

`die` names a call of its two services, `before` or `after` it, and which one in order:
{"database": URL, "redis": URL, "die": ["after", "publish_events", 2]}.
"""

import asyncio
import json
import os
import signal
import sys
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


async def main(wanted: dict[str, Any]) -> None:
    """Publish until killed."""
    publishing.BATCH = BATCH  # type: ignore[misc]  # several batches of few events
    calls: Counter[str] = Counter()
    die = wanted.get("die", [])
    async with History.connect(wanted["database"]) as history, Progress.connect(wanted["redis"]) as progress:
        outbox: Any = Mortal(Outbox(history), die, calls)
        streams: Any = Mortal(progress, die, calls)
        await EventPublisher(outbox, streams, Metrics(list), lambda: True).keep()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

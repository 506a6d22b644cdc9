"""A TCP connection where first packets may be lost.

A network policy that knows pods by their address may not know a pod in its first second yet, and what it doesn't know
it drops. TCP sends the packet again after 1 s, then after 3 s, which is long for a job of a quarter of a second. So
another connection is begun beside the first one, and the one that is there first is taken.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle, islice
from typing import Any, Final

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str], Coroutine[Any, Any, Streams]]
TRIES: Final = 6
"""A fifth of a second apart they and what TCP sends again leave no gap of more than that in the first two seconds."""


async def connected(addresses: Sequence[str], connect: Connect, again: float = 0.0) -> Streams:
    """The first connection to one of `addresses`, tried in this order, the next one as soon as one is refused.

    After each `again` seconds (0: never) without an answer the next try begins, the first address following the last.
    Raises OSError, the last refusal, when every address refused; waits for ever for one that never answers.
    """
    race = _Race(connect)
    order = islice(cycle(addresses), max(TRIES, len(addresses))) if again else iter(addresses)
    try:
        for address in order:
            if address not in race.refused:
                race.begin(address)
                if streams := await race.next(again or None):
                    return streams
        while race.waits:
            if streams := await race.next():
                return streams
    finally:
        race.end()
    raise next(reversed(race.refused.values()), OSError("there is no address"))


class _Race:
    """Tries that go on side by side."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.waits: dict[asyncio.Task[Streams], str] = {}
        self.refused: dict[str, OSError] = {}

    def begin(self, address: str) -> None:
        self.waits[asyncio.create_task(self._connect(address))] = address

    async def next(self, timeout: float | None = None) -> Streams | None:
        """A connection once there is one; None when none came in time or somebody refused."""
        done, _ = await asyncio.wait(self.waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is None:
                del self.waits[task]
                return task.result()
            if not isinstance(error, OSError):
                raise error
            self.refused[self.waits.pop(task)] = error
        return None

    def end(self) -> None:
        """Give up what still waits, and close what was made when another had been taken."""
        for task in self.waits:
            task.add_done_callback(_abandoned)
            task.cancel()


def _abandoned(task: asyncio.Task[Streams]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[1].transport.abort()

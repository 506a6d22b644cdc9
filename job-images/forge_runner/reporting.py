"""Tells Redis what the outbox holds, at most four times a second; Redis away never harms the work.

A kind whose attempts are over in a moment is silent for a while (the setting `silent`): what is over by then is told by
its outcome alone, and its runner never knows Redis, whose client takes longer to import than a delivery takes in all.

Refused credentials (a restarted Redis has forgotten its users) are Redis away: it is tried again until it is back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from forge_core.messages import ProgressMessage, ProgressUnavailable
from forge_core.pauses import Pauses
from forge_runner.outbox import Batch, Outbox

INTERVAL: Final = 0.25
PAUSES: Final = Pauses(0.5, 10.0)


class Sink(Protocol):
    """The part of forge_core.progress.Progress that a runner uses."""

    async def report(self, tenant: str, message: ProgressMessage) -> None:
        """Append a message."""

    async def beat(self, tenant: str, uid: str) -> None:
        """Say that the runner lives."""

    async def log(self, tenant: str, uid: str, lines: list[str] | tuple[str, ...]) -> None:
        """Append lines to the log tail."""


class Reporter:
    """Speaks for one job. Feed it from the event loop's thread; run `run` beside the work and `flush` at the end.

    `connect` is awaited before the first word.
    """

    def __init__(self, connect: Callable[[], Awaitable[Sink]], tenant: str, uid: str, heartbeat: float) -> None:
        self._connect = connect
        self._sink: Sink | None = None
        self._tenant = tenant
        self._uid = uid
        self._outbox = Outbox(heartbeat)
        self._woken = asyncio.Event()
        self._failures = 0
        self._silent = True
        """Whether nothing was told so far, nor tried to."""

    def state(self, attempt: int, stage: str, percent: float, message: str) -> None:
        """The newest state of the job."""
        at = datetime.now(UTC)
        self._outbox.put_state(
            ProgressMessage(
                uid=self._uid, attempt=attempt, stage=stage[:63], percent=percent, message=message[:500], at=at
            )
        )
        self._woken.set()

    def line(self, line: str) -> None:
        """One more line of the log, already clean."""
        self._outbox.put_line(line)
        self._woken.set()

    async def prepare(self) -> Sink:
        """Be ready to speak at once: the first heartbeat shall be there before the kind's process can do harm."""
        self._sink = self._sink or await self._connect()
        return self._sink

    def excuse(self) -> None:
        """The outcome is stored and says it all: who has said nothing so far doesn't begin now."""
        if self._silent:
            self._outbox.clear()

    async def run(self, silent: float = 0.0) -> None:
        """Send until cancelled, beginning after `silent` seconds."""
        await asyncio.sleep(silent)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._outbox.quiet_for(time.monotonic())):
                    await self._woken.wait()
            self._woken.clear()
            await self._send_what_is_due()
            await asyncio.sleep(PAUSES.after(self._failures) or INTERVAL)

    async def flush(self, seconds: float) -> None:
        """Send what is left, giving up after `seconds` or at the first refusal."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._failures = 0
                while self._outbox.news and not self._failures:
                    await self._send_what_is_due()

    async def _send_what_is_due(self) -> None:
        batch = self._outbox.take(time.monotonic())
        if batch is None:
            return
        self._silent = False
        try:
            await self._send(batch)
        except ProgressUnavailable:
            self._failures += 1
            self._outbox.give_back(batch)
        except BaseException:
            self._outbox.give_back(batch)
            raise
        else:
            self._failures = 0
        if self._outbox.news:
            self._woken.set()

    async def _send(self, batch: Batch) -> None:
        sink = await self.prepare()
        if batch.state is not None:
            await sink.report(self._tenant, batch.state)
        elif batch.beat:
            await sink.beat(self._tenant, self._uid)
        dropped = self._outbox.take_dropped()
        notice = (f"... {dropped} lines were not sent, see the whole log ...",) if dropped else ()
        if notice or batch.lines:
            await sink.log(self._tenant, self._uid, (*notice, *batch.lines))

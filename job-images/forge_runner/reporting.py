"""Tells Redis what the outbox holds, at most four times a second; Redis away never harms the work.

Refused credentials (a restarted Redis has forgotten its users) are Redis away: it is tried again until it is back.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from forge_core.messages import ProgressMessage
from forge_core.pauses import Pauses
from forge_core.progress import ProgressUnavailable
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
    """Speaks for one job. Feed it from the event loop's thread; run `run` beside the work and `flush` at the end."""

    def __init__(self, sink: Sink, tenant: str, uid: str, heartbeat: float) -> None:
        self._sink = sink
        self._tenant = tenant
        self._uid = uid
        self._outbox = Outbox(heartbeat)
        self._woken = asyncio.Event()
        self._failures = 0

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

    async def run(self) -> None:
        """Send until cancelled."""
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
        if batch.state is not None:
            await self._sink.report(self._tenant, batch.state)
        elif batch.beat:
            await self._sink.beat(self._tenant, self._uid)
        dropped = self._outbox.take_dropped()
        notice = (f"... {dropped} lines were not sent, see the whole log ...",) if dropped else ()
        if notice or batch.lines:
            await self._sink.log(self._tenant, self._uid, (*notice, *batch.lines))

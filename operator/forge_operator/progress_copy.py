"""Runners' progress and heartbeats from Redis into the picture, a job's end from the cluster into the tenant's stream.

Reading is paced: what is written to a status is bounded for the whole cluster anyway, so at 10,000 jobs a snapshot a
job every twenty seconds is more than can be shown.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from forge_core.messages import (
    MAX_MESSAGE_BYTES,
    BadMessage,
    ProgressMessage,
    ProgressUnavailable,
    TerminalMessage,
    decode_message,
)
from forge_core.phase import Phase
from forge_core.progress import Progress, Snapshot
from forge_operator.known import Report
from forge_operator.observe.sink import Sink
from forge_operator.pulses import Looked

ROUND_SECONDS: Final = 1.0
CHUNK: Final = 200
SNAPSHOTS_A_SECOND: Final = 500
MAX_ENDS: Final = 10_000


class ProgressCopy:
    """Goes round the admitted jobs of each tenant."""

    def __init__(self, progress: Progress, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._sink = sink
        self._clock = clock
        self._last: dict[str, int] = {}
        self._servers: frozenset[str] = frozenset()

    async def keep(self) -> None:
        """For ever; while Redis is away statuses keep the last progress they had."""
        while True:
            try:
                read = await self.once()
            except ProgressUnavailable:
                read = 0
                self._sink.picture.pulses.interrupted()
            pause = max(ROUND_SECONDS, read / SNAPSHOTS_A_SECOND)
            self._sink.picture.pulses.pace = pause
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """One round; answers how many jobs were asked about. Raises ProgressUnavailable."""
        await self._notice_another_redis()
        read = 0
        seen: set[str] = set()
        running: set[str] = set()
        for tenant, uids in self._asked():
            for at in range(0, len(uids), CHUNK):
                chunk = uids[at : at + CHUNK]
                found = await self._progress.snapshots(tenant, chunk)
                for uid, snapshot in found.items():
                    self._take(uid, snapshot)
                running.update(self._look(tenant, chunk, found))
                read += len(chunk)
                seen.update(found)
                await asyncio.sleep(0)
        self._sink.picture.pulses.keep(running)
        self._last = {uid: mark for uid, mark in self._last.items() if uid in seen}
        return read

    async def _notice_another_redis(self) -> None:
        """One that was started anew has forgotten beats and users; runners need a moment to be heard again."""
        try:
            servers = await self._progress.servers()
        except ProgressUnavailable:
            servers = frozenset()  # a managed one may not let us ask; one that is away is found so by the next question
        if servers != self._servers:
            self._servers = servers
            self._sink.picture.pulses.interrupted()

    def _look(self, tenant: str, uids: Sequence[str], found: Mapping[str, Snapshot]) -> Iterator[str]:
        """Take note of the heartbeats of those whose pod runs; yields these."""
        picture, at = self._sink.picture, self._clock()
        for uid in uids:
            job = picture.analysis_jobs.get(uid)
            child = picture.job_of(job) if job is not None else None
            for pod in picture.pods_of(child) if child is not None else ():
                if pod.running_since is not None:
                    beat = found[uid].heartbeat if uid in found else None
                    picture.pulses.look(uid, Looked(tenant, pod.uid, pod.running_since, beat), at)
                    yield uid
                    break

    def _asked(self) -> Iterator[tuple[str, list[str]]]:
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for namespace, uid in self._sink.picture.places.admitted():
            tenant = self._sink.picture.tenant_of(namespace)
            if tenant:
                by_tenant[tenant].append(uid)
        yield from by_tenant.items()

    def _take(self, uid: str, snapshot: Snapshot) -> None:
        mark = hash(snapshot.payload)
        if not snapshot.payload or self._last.get(uid) == mark:
            return
        self._last[uid] = mark
        try:
            message = decode_message(snapshot.payload[: MAX_MESSAGE_BYTES + 1])
        except BadMessage:
            return
        if isinstance(message, ProgressMessage) and message.uid == uid:
            report = Report(percent=int(message.percent), stage=message.stage, attempt=message.attempt)
            if self._sink.picture.report(uid, report):
                self._sink.dirty.set()


@dataclass(frozen=True)
class _End:
    tenant: str
    message: TerminalMessage


class Ends:
    """Publishes the ends of jobs; what Redis can't take is dropped: a terminal state never depends on it."""

    def __init__(self, progress: Progress, sink: Sink) -> None:
        self._progress = progress
        self._sink = sink
        self._waiting: deque[_End] = deque(maxlen=MAX_ENDS)
        self._wake = asyncio.Event()

    def end(self, namespace: str, uid: str, phase: Phase, message: str) -> None:
        """Publish that a job ended, soon. Never waits, never fails."""
        tenant = self._sink.picture.tenant_of(namespace)
        if tenant:
            told = TerminalMessage(uid=uid, phase=phase, message=message[:1024], at=datetime.now(UTC))
            self._waiting.append(_End(tenant, told))
            self._wake.set()

    async def keep(self) -> None:
        """For ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), 50))]
                await self._publish(batch)

    async def _publish(self, batch: Sequence[_End]) -> None:
        answers = await asyncio.gather(
            *(self._progress.publish_end(end.tenant, end.message) for end in batch), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ProgressUnavailable):
                raise answer

"""The recorder: of each job the newest status waits in memory until PostgreSQL has it, however long that takes.

Only the holder of the Lease writes; a standby keeps the same backlog, so it has nothing to catch up when it takes over,
but of jobs that are gone only for a while: the holder has written those, or a relist finds them in the history.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

from forge_core import logs
from forge_core.history.database import HistoryUnavailable
from forge_core.history.notes import Note
from forge_core.history.records import JobRecord, Records
from forge_core.pauses import Pauses
from forge_operator.digests import AnalysisJobDigest, Kind
from forge_operator.held import Change
from forge_operator.metrics import Metrics
from forge_operator.picture import Picture
from forge_operator.record.flight import Flight
from forge_operator.record.rows import record_of

BATCH: Final = 500
NOTES: Final = 2_000
NOTES_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.25
"""After a first change, how long others are waited for. A transaction costs the two sides 6 ms of processor time, a
row in it a quarter of one, and under load a change comes every 20 ms."""
STANDBY_SECONDS: Final = 600.0
"""For so long a standby keeps what it saw of a job that is gone."""
PAUSES: Final = Pauses(0.5, 5.0)

_log = logs.get_logger(__name__)


class Recorder:
    """`available` says whether PostgreSQL answered last."""

    def __init__(
        self,
        records: Records,
        picture: Picture,
        metrics: Metrics,
        leads: Callable[[], bool],
        flight: Flight,
    ) -> None:
        self._records = records
        self._picture = picture
        self._metrics = metrics
        self._leads = leads
        self._flight = flight
        self._pending: dict[str, AnalysisJobDigest] = {}
        self._gone: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._wake = asyncio.Event()
        self.available = True

    # --- what is to be recorded ---

    def heard(self, change: Change) -> None:
        """Remember a change of an AnalysisJob; of other kinds only what belongs to its timeline."""
        self._flight.heard(change)
        if change.kind is not Kind.ANALYSIS_JOB:
            return
        if isinstance(change.after, AnalysisJobDigest):
            self._remember(change.after)
        elif isinstance(change.before, AnalysisJobDigest):
            self._remember(change.before)
            self._gone[change.before.uid] = time.monotonic()
        if not self._leads():
            self._forget_what_the_holder_wrote()
        self._wake.set()

    def vanished(self, uids: Iterable[str]) -> None:
        """AnalysisJobs that the history holds and a complete list, begun later, doesn't show."""
        for uid in uids:
            self._gone.setdefault(uid, time.monotonic())
            self._wake.set()

    def _remember(self, job: AnalysisJobDigest) -> None:
        # Made into a record only when it is written: its tenant and queue may not have been listed yet.
        self._pending[job.uid] = job
        self._since.setdefault(job.uid, time.monotonic())

    def _forget_what_the_holder_wrote(self) -> None:
        now = time.monotonic()
        while (oldest := next(iter(self._gone), "")) and self._gone[oldest] <= now - STANDBY_SECONDS:
            del self._gone[oldest]
        while (oldest := next(iter(self._since), "")) and self._since[oldest] <= now - STANDBY_SECONDS:
            del self._since[oldest]
            if oldest in self._picture.analysis_jobs:
                self._since[oldest] = now
            else:
                self._pending.pop(oldest, None)

    @property
    def backlog(self) -> int:
        """Statuses and deletions that PostgreSQL doesn't have yet."""
        return len(self._pending) + len(self._gone)

    @property
    def lag(self) -> float:
        """Seconds for which the oldest of them has waited."""
        first = min((*self._since.values(), *self._gone.values()), default=None)
        return time.monotonic() - first if first is not None else 0.0

    # --- what the history knows ---

    async def in_cluster(self) -> set[str]:
        """UIDs of the AnalysisJobs that the history believes to be in the cluster; none while it is away."""
        try:
            return {str(uid) for uid in await self._records.in_cluster()}
        except HistoryUnavailable:
            return set()

    async def recall_starts(self, since: datetime) -> None:
        """Tell the picture the starts since `since`, deleted jobs included. Raises HistoryUnavailable."""
        for queue, uid, at in await self._records.starts_since(since):
            self._picture.remember_starts(queue, [(uid, at)])
        self._picture.history_known = True

    # --- recording ---

    async def keep(self) -> None:
        """Record for ever; while PostgreSQL is away everything waits and newer statuses replace older ones."""
        failures = 0
        while True:
            await self._due()
            try:
                await self.flush()
                failures = 0
                self._became(error="")
            except HistoryUnavailable as error:
                self._became(error=str(error))
                failures += 1
                await asyncio.sleep(PAUSES.after(failures))

    async def _due(self) -> None:
        while not self.backlog:
            self._wake.clear()
            # Notes alone are in no hurry: they ride with the next statuses, or go after a while.
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTES_SECONDS):
                    await self._wake.wait()
            if self._flight.waiting:
                break
        await asyncio.sleep(GATHER_SECONDS if self._leads() and not self._picture.missing else 1.0)

    async def flush(self) -> None:
        """Write all that waits, in batches. Raises HistoryUnavailable; what wasn't written waits on."""
        while (self.backlog or self._flight.waiting) and self._leads() and not self._picture.missing:
            batch, notes = dict(list(self._pending.items())[:BATCH]), self._flight.take(NOTES)
            await self._write([row for job in batch.values() if (row := record_of(self._picture, job))], notes)
            self._flight.written(notes)
            for uid, job in batch.items():
                if self._pending.get(uid) is job:
                    del self._pending[uid]
                    self._since.pop(uid, None)
            await self._bury([uid for uid in self._gone if uid not in self._pending][:BATCH])

    async def _write(self, records: list[JobRecord], notes: list[Note]) -> None:
        """One transaction; a batch that the database refuses is halved until the row it can't hold stands alone."""
        if not records and not notes:
            return
        try:
            self._metrics.ended(await self._records.write(records, notes))
            self._picture.recorded(str(record.uid) for record in records if record.phase.terminal)
        except HistoryUnavailable:
            raise
        except Exception as error:
            if records and notes:
                await self._write(records, [])
                await self._write([], notes)
                return
            if len(notes) > 1:
                await self._write([], notes[: len(notes) // 2])
                await self._write([], notes[len(notes) // 2 :])
                return
            if notes:
                _log.error("a note can't be stored", what=notes[0].what, error=str(error)[:500])
                return
            if len(records) == 1:
                _log.error("a job can't be recorded", uid=str(records[0].uid), error=str(error)[:500])
                return
            half = len(records) // 2
            await self._write(records[:half], [])
            await self._write(records[half:], [])

    async def _bury(self, uids: list[str]) -> None:
        if not uids:
            return
        self._metrics.ended(await self._records.deleted([UUID(uid) for uid in uids]))
        for uid in uids:
            self._gone.pop(uid, None)

    def _became(self, error: str) -> None:
        if bool(error) == self.available:
            self.available = not error
            _log.info("PostgreSQL is away: records wait" if error else "PostgreSQL answers", error=error)
        self._picture.dependency("PostgreSQL", error)

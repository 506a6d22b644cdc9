"""Events become deliveries: found in the outbox, written as jobs, sent like whatever else was accepted (ADR 0017)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from forge_api.background import repeating
from forge_api.submitter import AT_ONCE, Rejected, Submitter
from forge_core.history.deliveries import Deliveries
from forge_core.history.submissions import Submissions
from forge_core.logs import get_logger

LOOK_SECONDS: Final = 0.5
BATCH: Final = 100
"""Events in one transaction."""
log = get_logger("api.dispatching")


class Dispatcher:
    """Each replica has one; PostgreSQL gives an event to one of them."""

    def __init__(self, deliveries: Deliveries, submissions: Submissions, submitter: Submitter) -> None:
        self._deliveries = deliveries
        self._submissions = submissions
        self._submitter = submitter

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work in the background while the block lasts."""
        async with repeating("webhooks", self.sweep, LOOK_SECONDS):
            yield

    async def sweep(self) -> None:
        """Everything that is due. What isn't sent at once the submitter's own sweep sends."""
        while True:
            done = await self._deliveries.dispatch(BATCH, datetime.now(UTC))
            await self._send(done.jobs)
            if done.events < BATCH:
                break
        for endpoint in await self._deliveries.settle():
            log.info("an endpoint is gone (410) and disabled", endpoint=str(endpoint))

    async def _send(self, jobs: Sequence[UUID]) -> None:
        for first in range(0, len(jobs), AT_ONCE):
            await asyncio.gather(*(self._send_one(job_id) for job_id in jobs[first : first + AT_ONCE]))

    async def _send_one(self, job_id: UUID) -> None:
        try:
            await self._submitter.sent_at_once(job_id)
        except Rejected as error:
            await self._submissions.refuse(job_id, str(error), datetime.now(UTC))

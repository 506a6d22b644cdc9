"""Accepted jobs become AnalysisJobs, however often it takes: a create is repeated until its UID is in the row.

The AnalysisJob's name is the row's id, so a second create meets the first (409, same analysis-id) and is a success.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from forge_api.background import repeating
from forge_api.metrics import Metrics
from forge_core.cluster import (
    ApiError,
    ClusterError,
    Conflict,
    NotFound,
    Raw,
    Refused,
    Unavailable,
    Unreachable,
    analysis_jobs,
)
from forge_core.history.submissions import Submission, Submissions
from forge_core.kube import Kubernetes, create, merge, read
from forge_core.logs import get_logger
from forge_core.names import ANALYSIS_ID_ANNOTATION, ANALYSIS_JOB_KIND, API_VERSION

EVERY_SECONDS: Final = 2.0
AT_ONCE: Final = 4
"""Creates in flight: each holds a connection to PostgreSQL."""
REST_SECONDS: Final = 5.0
"""After the API server did not answer, requests no longer wait for it; the background goes on asking."""
DOUBT_SECONDS: Final = 60
log = get_logger("api.submitter")


class Rejected(Exception):
    """The cluster will never take this job; the message is the API server's sentence."""


def resource(job: Submission) -> Raw:
    """The AnalysisJob of an accepted job."""
    name = str(job.id)
    return {
        "apiVersion": API_VERSION,
        "kind": ANALYSIS_JOB_KIND,
        "metadata": {
            "name": name,
            "namespace": job.namespace,
            "annotations": {ANALYSIS_ID_ANNOTATION: name},
        },
        "spec": job.spec,
    }


class Submitter:
    """Sends accepted jobs: at once when a request brings one, and in the background what is left."""

    def __init__(
        self, kube: Kubernetes, submissions: Submissions, metrics: Metrics, redrives_per_second: float
    ) -> None:
        self._kube = kube
        self._submissions = submissions
        self._metrics = metrics
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._resting_until = 0.0
        self._gap = 1 / redrives_per_second
        self._next_redrive = 0.0

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work in the background while the block lasts."""
        async with repeating("submitter", self.sweep, EVERY_SECONDS):
            yield

    async def sent_at_once(self, job_id: UUID) -> None:
        """Send what a request has just accepted, unless the cluster is slow or away. Raises Rejected."""
        if self._at_once.locked() or time.monotonic() < self._resting_until:
            return
        try:
            await self._send(job_id)
        except ClusterError as error:
            await self._explain(job_id, error)

    async def sweep(self) -> None:
        """Send what is unsent and due, in turn, and look after cancelled rows whose create was never answered."""
        begun = time.monotonic()
        unsent = await self._submissions.unsent(within=EVERY_SECONDS)
        self._metrics.unsent.set(len(unsent))
        for job in unsent:
            if not await self._in_time(job, begun):
                break
            try:
                await self._send(job.id)
            except Rejected as error:
                await self._submissions.refuse(job.id, str(error), datetime.now(UTC))
            except (Unavailable, Unreachable) as error:
                await self._explain(job.id, error)
                return
            except ClusterError as error:
                await self._explain(job.id, error)
        for job in await self._submissions.doubtful(datetime.now(UTC) - timedelta(seconds=DOUBT_SECONDS)):
            await self.settle(job)

    async def _in_time(self, job: Submission, begun: float) -> bool:
        """Wait for a redriven job's moment; False when that is not in this sweep.

        The gap is kept after an outage too, when many are due at once.
        """
        if job.due_in is None:
            return True
        moment = max(begun + job.due_in, self._next_redrive)
        if moment > begun + EVERY_SECONDS:
            return False
        await asyncio.sleep(max(moment - time.monotonic(), 0))
        self._next_redrive = time.monotonic() + self._gap
        return True

    async def _send(self, job_id: UUID) -> None:
        async with self._at_once:
            try:
                await self._submissions.send(job_id, self._create)
            except (Unavailable, Unreachable):
                self._resting_until = time.monotonic() + REST_SECONDS
                raise

    async def _create(self, job: Submission) -> UUID:
        try:
            made = await create(self._kube, analysis_jobs(job.namespace), resource(job))
        except Conflict as error:
            if not error.already_exists:
                raise
            made = await read(self._kube, analysis_jobs(job.namespace, str(job.id)))
            if made["metadata"].get("annotations", {}).get(ANALYSIS_ID_ANNOTATION) != str(job.id):
                raise Rejected(f"An AnalysisJob named {job.id} is there already and isn't ours.") from None
        except Refused as error:
            if is_final(error):
                raise Rejected(sentence(error)) from None
            raise
        return UUID(made["metadata"]["uid"])

    async def _explain(self, job_id: UUID, error: ClusterError) -> None:
        log.warning("a job can't be sent yet", id=str(job_id), error=str(error))
        await self._submissions.explain(job_id, f"Accepted, but not yet in the cluster: {sentence(error)}")

    async def settle(self, job: Submission) -> None:
        """A row cancelled alone: should its AnalysisJob be there after all, cancel that too."""
        path = analysis_jobs(job.namespace, str(job.id))
        try:
            await merge(self._kube, path, {"spec": {"cancel": True}})
        except NotFound:
            await self._submissions.settle(job.id, datetime.now(UTC))
        except ClusterError as error:
            log.warning("a cancelled job can't be looked for yet", id=str(job.id), error=str(error))


def is_final(error: Refused) -> bool:
    """Whether the same create will be refused for ever: not for a quota, a namespace that ends, or missing rights."""
    if error.status == 403:
        return "ValidatingAdmissionPolicy" in error.message or "denied the request" in error.message
    return True


def sentence(error: ClusterError) -> str:
    """What a person can act on."""
    if isinstance(error, ApiError):
        if isinstance(error, Unavailable):
            return "the Kubernetes API is busy; it is tried again every few seconds."
        return error.message[:1000]
    return "the Kubernetes API can't be reached; it is tried again every few seconds."

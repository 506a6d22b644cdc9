"""Creating a Job at most once: its slot is kept until it is known whether the Job is there.

The name is derived from the AnalysisJob's UID, so a create that may have been carried out is simply sent again: the
answer AlreadyExists with our ownerReference means that it was.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from forge_core import logs
from forge_core.cluster import ApiError, Cluster, ClusterError, Conflict, NotFound, Raw, Unavailable, jobs
from forge_core.names import FIELD_MANAGER
from forge_core.pauses import Pauses
from forge_operator.actions import CreateJob
from forge_operator.digests import Kind
from forge_operator.observe.sink import Sink
from forge_operator.reading import items, text

PAUSES: Final = Pauses(0.25, 10.0)
TOO_MANY_REQUESTS: Final = 429
IN_FLIGHT_SECONDS: Final = 90.0
"""A create that was sent longer ago than this can't take effect any more (the API server's own limit is 60 s)."""

_log = logs.get_logger(__name__)


class Creation:
    """Creates Jobs for one sink's picture."""

    def __init__(self, cluster: Cluster, sink: Sink, leads: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._sink = sink
        self._leads = leads

    async def create(self, action: CreateJob) -> None:
        """Create the Job, or learn that it is there, or that it was refused; returns only when one of them is known.

        Raises Unavailable when the API server turned it away before anything was done.
        """
        self._sink.picture.hold(action.uid, action.queue, action.namespace)
        pauses, sent = iter(PAUSES), time.monotonic()
        while True:
            sends = self._leads() and self._is_wanted(action)
            sent = time.monotonic() if sends else sent
            try:
                self._made(action, await self._ask(action, sends))
            except ClusterError as error:
                if isinstance(error, Unavailable) and error.status == TOO_MANY_REQUESTS:
                    self._sink.picture.release(action.uid)
                    raise
                if self._settles(error, sends, time.monotonic() - sent):
                    self._refused(action, error)
                    return
                _log.warning(
                    "a creation's outcome is unknown: its slot is kept", uid=action.uid, error=str(error)[:300]
                )
                await asyncio.sleep(next(pauses))
                if (action.namespace, action.uid) in self._sink.picture.jobs:
                    # The watch has told the outcome. To send it again could make a second one, once this is deleted.
                    self._sink.picture.release(action.uid)
                    return
            else:
                return

    def _is_wanted(self, action: CreateJob) -> bool:
        """Whether the AnalysisJob is still to have a Job. One that is over may have had its own, and lost it again."""
        job = self._sink.picture.analysis_jobs.get(action.uid)
        return job is not None and not job.status.phase.terminal

    async def _ask(self, action: CreateJob, sends: bool) -> Raw:
        """The Job: made now or found there. Without the Lease, or no longer wanted, it is only looked for."""
        name = text(action.body, "metadata", "name")
        if not sends:
            return await self._cluster.get(jobs(action.namespace, name))
        try:
            return await self._cluster.create(jobs(action.namespace), action.body, fieldManager=FIELD_MANAGER)
        except Conflict as error:
            if not error.already_exists:
                raise
            found = await self._cluster.get(jobs(action.namespace, name))
            if any(text(owner, "uid") == action.uid for owner in items(found, "metadata", "ownerReferences")):
                return found
            raise

    @staticmethod
    def _settles(error: ClusterError, sends: bool, seconds_since_sent: float) -> bool:
        """Whether an error says for certain that there is no Job and that none will appear."""
        if not isinstance(error, ApiError) or isinstance(error, Unavailable):
            return False
        return sends or not isinstance(error, NotFound) or seconds_since_sent > IN_FLIGHT_SECONDS

    def _made(self, action: CreateJob, made: Raw) -> None:
        picture = self._sink.picture
        self._sink.seen(Kind.JOB, "ADDED", made, "answer")
        picture.release(action.uid)
        job, child = picture.analysis_jobs.get(action.uid), picture.jobs.get((action.namespace, action.uid))
        waited = None
        if job and job.created and child and child.created:  # both by the API server's clock
            waited = (child.created - job.created).total_seconds()
        self._sink.metrics.admitted(action.queue, action.uid, waited)
        self._sink.dirty.set()

    def _refused(self, action: CreateJob, error: ClusterError) -> None:
        picture = self._sink.picture
        message = error.message if isinstance(error, ApiError) else str(error)
        if isinstance(error, Conflict) and error.already_exists:
            message = f"Another Job is in the way: delete it for this one to start. ({message})"
        picture.refused(action.uid, message, datetime.now(UTC))
        picture.release(action.uid)
        self._sink.dirty.set()
        _log.warning("a Job was refused", uid=action.uid, namespace=action.namespace, error=str(error)[:500])

"""Cancelling a job: the wish goes to the cluster, and the answer waits until the operator has taken it up."""

import asyncio
from datetime import UTC, datetime
from enum import Enum
from typing import Final
from uuid import UUID

from forge_api.current import with_status
from forge_api.problems import Problem
from forge_core.cluster import Conflict, NotFound, analysis_jobs
from forge_core.history.cancellation import API
from forge_core.history.notes import Note, Notes, What
from forge_core.history.queries import Job, Queries
from forge_core.history.submissions import Submissions
from forge_core.kube import Kubernetes, merge, read
from forge_core.phase import Phase

WAIT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.2


class Taken(Enum):
    """What the operator has made of the wish so far."""

    YES = "yes"
    GONE = "gone"
    NOT_YET = "not yet"


class Cancelling:
    """DELETE /analyses/{id} (DESIGN 4.6)."""

    def __init__(self, kube: Kubernetes, queries: Queries, submissions: Submissions, notes: Notes) -> None:
        self._kube = kube
        self._queries = queries
        self._submissions = submissions
        self._notes = notes

    async def cancel(self, job: Job, user: str, seconds: float = WAIT_SECONDS) -> bool:
        """True once the job is cancelled in its row, False when the operator has not answered within `seconds`.

        Raises Problem 409 when it has already ended, ClusterError while the cluster is away.
        """
        if job.phase.terminal:
            raise _ended(job)
        if job.uid is None:
            if await self._submissions.cancel_unsent(job.id, user, datetime.now(UTC)):
                return True
            again = await self._queries.job(job.tenant, job.id)
            if again is None:
                raise Problem(404, "Job not found")
            return await self.cancel(again, user, seconds)
        # Before the wish goes out: of a job that the operator answers late it shall be known who asked, too.
        detail = {"by": user, "through": API}
        await self._notes.write([Note(job.uid, datetime.now(UTC), What.CANCEL_ASKED, f"{API}/{user}", detail)])
        taken = await self._wish(job, job.uid, seconds)
        if taken is Taken.NOT_YET:
            return False
        await self._submissions.cancel(job.id, user, datetime.now(UTC), deleted=taken is Taken.GONE)
        return True

    async def _wish(self, job: Job, uid: UUID, seconds: float) -> Taken:
        path = analysis_jobs(job.namespace, job.name)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            found = await merge(self._kube, path, {"metadata": {"uid": str(uid)}, "spec": {"cancel": True}})
            while True:
                now = with_status(job, found)
                if now.phase in {Phase.COMPLETED, Phase.FAILED}:
                    raise _ended(now)
                if found["metadata"]["uid"] != str(uid):
                    return Taken.GONE
                if now.phase in {Phase.CANCELLING, Phase.CANCELLED}:
                    return Taken.YES
                if asyncio.get_running_loop().time() >= deadline:
                    return Taken.NOT_YET
                await asyncio.sleep(LOOK_SECONDS)
                found = await read(self._kube, path)
        except (NotFound, Conflict):  # a conflict: the name is another object's by now
            return Taken.GONE


def _ended(job: Job) -> Problem:
    return Problem(409, f"The job has already ended: it is {job.phase.lower()}.", code="ended")

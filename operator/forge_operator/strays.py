"""What nobody owns any more, and only the operator may touch: Jobs, and tenants' users and keys in Redis.

Kubernetes removes a Job with its AnalysisJob and Redis a job's keys a day after their last word, so there is something
only where that was kept from happening: an AnalysisJob deleted with `--cascade=orphan`, a tenant whose namespace is
gone, a runner that was ended between two commands. What was touched within a day is left alone.
"""

from datetime import datetime

from forge_core.cluster import Cluster, NotFound, Raw, jobs
from forge_core.maintenance import NOTHING, OWNERLESS_FOR, Ask, Done, Step
from forge_core.names import JOB_UID_LABEL, RedisKey
from forge_core.progress import Progress
from forge_operator.picture import Picture
from forge_operator.reading import moment


class Strays:
    """Does a batch of a step. Without `redis_is_ours` somebody else keeps its users, and it is left alone."""

    def __init__(self, cluster: Cluster, progress: Progress, picture: Picture, *, redis_is_ours: bool) -> None:
        self._cluster = cluster
        self._progress = progress
        self._picture = picture
        self._redis_is_ours = redis_is_ours

    async def do(self, step: Step, ask: Ask, now: datetime) -> Done:
        """One batch. Raises ClusterError, ProgressUnavailable, and ValueError for a step that isn't the operator's."""
        match step:
            case Step.JOBS:
                return await self._jobs(ask, now)
            case Step.REDIS:
                return await self._redis(ask, now)
        raise ValueError(f"{step} is not the operator's")

    async def _jobs(self, ask: Ask, now: datetime) -> Done:
        """Those of the next namespace that is served."""
        served = sorted(namespace for _, namespace in self._picture.served())
        left = [name for name in served if name > ask.after]
        if not left:
            return NOTHING
        looked_at = removed = 0
        async for page in self._cluster.pages(jobs(left[0]), labelSelector=JOB_UID_LABEL):
            looked_at += len(page["items"])
            for job in page["items"]:
                if self._is_stray(job, now):
                    removed += await self._removed(job, dry=ask.dry_run)
        after = left[0] if len(left) > 1 else ""
        share = 1 - (len(left) - 1) / len(served)
        return Done(after=after, looked_at=looked_at, share=share, counts=_some(strayJobs=removed))

    def _is_stray(self, job: Raw, now: datetime) -> bool:
        """The AnalysisJob was there before its Job: one that isn't in the picture by now is gone."""
        created = moment(job, "metadata", "creationTimestamp")
        if created is None or now - created < OWNERLESS_FOR or "deletionTimestamp" in job["metadata"]:
            return False
        return job["metadata"]["labels"][JOB_UID_LABEL] not in self._picture.analysis_jobs

    async def _removed(self, job: Raw, *, dry: bool) -> int:
        if not dry:
            metadata = job["metadata"]
            try:
                await self._cluster.delete(jobs(metadata["namespace"], metadata["name"]), uid=metadata["uid"])
            except NotFound:
                return 0
        return 1

    async def _redis(self, ask: Ask, now: datetime) -> Done:
        if not self._redis_is_ours:
            return NOTHING
        served = {tenant for tenant, _ in self._picture.served()}
        users = sorted(await self._progress.users() - served)
        if not ask.dry_run:
            for tenant in users:
                await self._progress.remove_user(tenant)
        looked_at = removed = freed = 0
        async for key, expires in self._progress.all_keys():
            looked_at += 1
            if not expires and (key.of_a_job or key.tenant not in served) and await self._was_left(key, now):
                removed += 1
                freed += await self._progress.remove(key, dry=ask.dry_run)
        counts = _some(strayUsers=len(users), strayKeys=removed, strayBytes=freed)
        return Done(after="", looked_at=looked_at, share=1, counts=counts)

    async def _was_left(self, key: RedisKey, now: datetime) -> bool:
        touched = await self._progress.touched(key)
        return touched is None or now - touched > OWNERLESS_FOR


def _some(**counts: int) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}

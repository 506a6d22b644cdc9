"""`python -m forge_operator.schedule`: what a CronJob's pod does. It submits one AnalysisJob of its schedule, or none.

None when one of the same schedule is still open. The AnalysisJob is named after the batch/v1 Job that the pod belongs
to, which Kubernetes names after schedule and time: so a pod that is started again finds what its predecessor made.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError, Conflict, Raw, analysis_jobs
from forge_core.durations import timestamp
from forge_core.maintenance import CLEANUP, Task
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    API_VERSION,
    FIELD_MANAGER,
    SCHEDULE_LABEL,
    child_job_name,
)
from forge_core.phase import Phase
from forge_core.program import WRONG_SETTING, ProgramSettings, settings_from_environment

ANSWER_SECONDS: Final = 60.0
_LABEL: Final = r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$"

_log = logs.get_logger("forge_operator.schedule")


class Schedule(ProgramSettings):
    """What the CronJob's pod is told."""

    schedule: Annotated[str, Field(pattern=_LABEL)]
    """The schedule's name: at most one AnalysisJob of it is open."""
    task: Task
    system_namespace: Annotated[str, Field(min_length=1, max_length=63)]
    queue: Annotated[str, Field(min_length=1, max_length=63)] = CLEANUP
    job_name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name and UID of the batch/v1 Job that the pod belongs to."""
    job_uid: Annotated[str, Field(min_length=1, max_length=64)]
    kubeconfig: str | None = None


def manifest_of(schedule: Schedule, now: datetime) -> Raw:
    """The AnalysisJob of one start of a schedule."""
    return {
        "apiVersion": API_VERSION,
        "kind": ANALYSIS_JOB_KIND,
        "metadata": {
            "name": child_job_name(schedule.job_name, schedule.job_uid),
            "namespace": schedule.system_namespace,
            "labels": {SCHEDULE_LABEL: schedule.schedule},
        },
        "spec": {
            "queue": schedule.queue,
            "requestedBy": f"schedule {schedule.schedule}, {timestamp(now)}",
            "config": {"task": schedule.task.value},
        },
    }


def still_open(listed: Raw) -> str:
    """The name of a job of a list that has not ended, "" when all have."""
    for job in listed.get("items") or ():
        phase = (job.get("status") or {}).get("phase", Phase.QUEUED)
        if phase not in {each.value for each in Phase if each.terminal}:
            return str(job["metadata"]["name"])
    return ""


async def submit(cluster: Cluster, schedule: Schedule, now: datetime) -> str:
    """What was done, in a sentence. Raises ClusterError."""
    manifest, path = manifest_of(schedule, now), analysis_jobs(schedule.system_namespace)
    name = manifest["metadata"]["name"]
    async for page in cluster.pages(path, labelSelector=f"{SCHEDULE_LABEL}={schedule.schedule}"):
        busy = still_open(page)
        if busy and busy != name:
            return f"skipped: {busy} is still open"
    try:
        await cluster.create(path, manifest, fieldManager=FIELD_MANAGER, fieldValidation="Strict")
    except Conflict as error:
        if not error.already_exists:
            raise
        return f"{name} was submitted before"
    return f"submitted {name}"


async def _run(schedule: Schedule) -> int:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), Cluster.connect(schedule.kubeconfig) as cluster:
            done = await submit(cluster, schedule, datetime.now(UTC))
    except (ClusterError, TimeoutError) as error:
        _log.error(
            "not submitted; the Job tries again", schedule=schedule.schedule, error=str(error)[:500] or "no answer"
        )
        return 1
    _log.info(done, schedule=schedule.schedule, task=schedule.task, namespace=schedule.system_namespace)
    return 0


def main() -> int:
    """0 when it was submitted or one is open, 1 when the API server refused or was away, 2 when a setting is wrong."""
    schedule = settings_from_environment(Schedule, "forge_operator.schedule")
    return WRONG_SETTING if schedule is None else asyncio.run(_run(schedule))


if __name__ == "__main__":
    sys.exit(main())

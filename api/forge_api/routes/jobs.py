"""Listing, reading and cancelling jobs, however they were submitted and of whatever kind (ADR-006's answers)."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from forge_api import cursors
from forge_api.cancelling import Cancelling
from forge_api.current import current
from forge_api.deps import Calling, Held, Named
from forge_api.problems import responses
from forge_api.services import Services
from forge_api.timeline_views import Cancellation
from forge_api.views import Analyses, Analysis, Cancelled, JobFilters, Status
from forge_core.history.cancellation import receipt_of
from forge_core.history.queries import Job, Wanted
from forge_core.messages import BadMessage, ProgressMessage, ProgressUnavailable, decode_message
from forge_core.phase import Phase

router = APIRouter(tags=["jobs"])


@router.get("", responses=responses())
async def listing(services: Held, caller: Calling, asked: Annotated[JobFilters, Query()]) -> Analyses:
    """The tenant's jobs, newest first, however they were submitted."""
    phase = asked.status.phase if asked.status else None
    wanted = Wanted(phase, asked.queue, asked.repository_id, asked.since, asked.until)
    after = cursors.decode(asked.cursor) if asked.cursor else None
    jobs, last = await services.queries.page(caller.tenant, wanted, after, asked.limit)
    jobs = await _with_steps(services, caller.tenant, jobs)
    return Analyses(items=[Analysis.of(job) for job in jobs], next_cursor=cursors.encode(last) if last else None)


async def _with_steps(services: Services, tenant: str, jobs: list[Job]) -> list[Job]:
    """Running jobs with their live progress, as far as Redis has it."""
    running = [str(job.uid) for job in jobs if job.phase == Phase.RUNNING and job.uid]
    try:
        found = await services.progress.snapshots(tenant, running)
    except ProgressUnavailable:
        return jobs
    return [_with_step(job, found[str(job.uid)].payload) if str(job.uid) in found else job for job in jobs]


def _with_step(job: Job, payload: str) -> Job:
    try:
        step = decode_message(payload)
    except BadMessage:
        return job
    if not isinstance(step, ProgressMessage) or int(step.percent) < job.progress:
        return job
    return replace(job, progress=int(step.percent), stage=step.stage)


@router.get("/{job_id}", responses=responses(404))
async def read(services: Held, job: Named) -> Analysis:
    """One job, with the phase, progress and message that `kubectl get aj` shows; a cancelled one with its receipt."""
    now = await current(services.kube, job)
    if now.phase not in {Phase.CANCELLING, Phase.CANCELLED}:
        return Analysis.of(now)
    facts = await services.timelines.of(job.tenant, job.id)
    return Analysis.of(now, Cancellation.of(receipt_of(facts)) if facts else None)


@router.delete(
    "/{job_id}",
    responses={**responses(404, 409), 202: {"model": Cancelled, "description": "The operator has not answered yet"}},
)
async def cancel(services: Held, caller: Calling, job: Named, response: Response) -> Cancelled:
    """Cancel a job that waits or runs; 409 when it has already ended."""
    cancelling = Cancelling(services.kube, services.queries, services.submissions, services.notes)
    if await cancelling.cancel(job, caller.identity.user):
        return Cancelled(status=Status.CANCELLED)
    response.status_code = 202
    return Cancelled(status=Status.CANCELLING)

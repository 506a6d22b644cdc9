"""Submitting a job: an analysis (ADR-006's request and answer, word for word), or one of any queue."""

from typing import Final

from fastapi import APIRouter, Response

from forge_api.deps import Calling, Held
from forge_api.idempotency import REPLAYED, Key, once, submitting
from forge_api.submitting import Submitted, Wish, registered, submitted
from forge_api.views import Accepted, NewAnalysis, NewJob

router = APIRouter(tags=["jobs"])
ANALYSIS: Final = "analysis"
"""Queue and kind of what POST /analyses submits."""
PRIORITY: Final = 1
"""ADR-006: what a person waits for is the most urgent."""


@router.post("/analyses", status_code=201, responses=submitting(400, 404))
async def submit_analysis(
    asked: NewAnalysis, services: Held, caller: Calling, response: Response, key: Key
) -> Accepted:
    """Analyse a registered repository. The job is not lost from here on, even while the cluster is away."""
    repository = await registered(services, caller, asked.repository_id)
    wish = Wish(ANALYSIS, ANALYSIS, PRIORITY, asked.config, repository)
    return _told(await submitted(services, caller, wish, once(key, asked)), response, "/analyses")


@router.post("/jobs", status_code=201, responses=submitting(400, 404))
async def submit_job(asked: NewJob, services: Held, caller: Calling, response: Response, key: Key) -> Accepted:
    """Submit a job of any queue that serves the tenant; what its kind of work needs is checked by the cluster."""
    labels = await services.tenants.labels(caller.tenant, caller.namespace)
    queue = await services.queues.serving(asked.queue, caller.namespace, labels)
    repository = await registered(services, caller, asked.repository_id) if asked.repository_id else None
    priority = asked.priority or queue.default_priority
    wish = Wish(asked.queue, queue.job_type, priority, asked.config, repository)
    return _told(await submitted(services, caller, wish, once(key, asked)), response, "/jobs")


def _told(job: Submitted, response: Response, root: str) -> Accepted:
    response.headers["Location"] = f"{root}/{job.answer.id}"
    if job.again:
        response.headers[REPLAYED] = "true"
    return job.answer

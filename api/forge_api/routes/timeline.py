"""What happened to a job, in order: for programs as JSON, for people as a picture in text."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from forge_api.accepting import prefers_text
from forge_api.deps import Held, Named
from forge_api.problems import Problem, responses
from forge_api.timeline_text import Heading, rendered
from forge_api.timeline_views import TimelineEntry
from forge_core.history.timeline_entries import entries_of

router = APIRouter(tags=["timeline"])
_BOTH: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "In order, oldest first; as a picture with `Accept: text/plain`",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": "attempt 1   ████████   12.4 s   80 %\n"}},
    }
}


@router.get(
    "/{job_id}/timeline",
    response_model=list[TimelineEntry],
    responses={**responses(404), **_BOTH},
)
async def timeline(request: Request, services: Held, job: Named) -> Response:
    """Each gate that held it, each pod, each attempt with its stages, its end; it follows the job within seconds."""
    facts = await services.timelines.of(job.tenant, job.id)
    if facts is None:
        raise Problem(404, "Job not found")
    entries = entries_of(facts)
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if prefers_text(request.headers.get("accept", "")):
        heading = Heading(str(job.id), job.name, job.queue, facts.course.phase.lower())
        return PlainTextResponse(rendered(heading, entries, datetime.now(UTC)), headers=headers)
    views = [TimelineEntry.of(entry).model_dump(mode="json", by_alias=True, exclude_none=True) for entry in entries]
    return JSONResponse(views, headers=headers)

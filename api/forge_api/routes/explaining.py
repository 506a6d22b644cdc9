"""Why a job waits or failed: the operator's whole chain; without the operator what was last written, and that it is."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from forge_api.accepting import prefers_text
from forge_api.current import current
from forge_api.deps import Held, Named
from forge_api.operator import OperatorAway
from forge_api.problems import responses
from forge_api.services import Services
from forge_core.explanation import ADVICE, Ending, Explanation, Step, Verdict, explain_end
from forge_core.history.queries import Job

router = APIRouter(tags=["jobs"])
_BOTH: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": Explanation,
        "description": "The explanation; as text for `Accept: text/plain`.",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "Waiting in queue analysis: 10 of 10 running\n\n  holds    concurrency  10 of 10 running\n",
            }
        },
    }
}


@router.get("/{job_id}/explain", response_class=JSONResponse, responses={**responses(404), **_BOTH})
async def explain(request: Request, services: Held, job: Named) -> Response:
    """Why the job stands where it stands, from our gates to its runner; position, expected start, what to do."""
    found = await _explained(services, await current(services.kube, job))
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if prefers_text(request.headers.get("accept", "")):
        return PlainTextResponse(found.text(), headers=headers)
    return JSONResponse(found.model_dump(mode="json", by_alias=True), headers=headers)


async def _explained(services: Services, job: Job) -> Explanation:
    now = datetime.now(UTC)
    if job.phase.terminal:
        return explain_end(_ending(job), now)
    if job.uid is None:
        detail = "accepted, and still to be created in the cluster; it is tried again by itself"
        return _told(job, now, Step(name="cluster", verdict=Verdict.HOLDS, detail=detail))
    try:
        found = await services.operator.explain(job.uid)
    except OperatorAway as error:
        detail = f"could not be asked ({error}): this is what was last written, the rest is not known now"
        return _told(job, now, Step(name="operator", verdict=Verdict.UNKNOWN, detail=detail))
    if found is None:
        detail = "has not seen this job yet, or no more: this is what was last written, the rest is not known now"
        return _told(job, now, Step(name="operator", verdict=Verdict.UNKNOWN, detail=detail))
    return found


def _told(job: Job, now: datetime, step: Step) -> Explanation:
    return Explanation(
        message=(job.message or f"{job.phase.value}: {step.name} {step.detail}")[:2048],
        at=now,
        chain=(step,),
        forecast="unknown: the operator works it out",
        advice=ADVICE.get(job.reason, ""),
        complete=False,
    )


def _ending(job: Job) -> Ending:
    return Ending(
        phase=job.phase,
        message=job.message,
        reason=job.reason,
        attempts=job.attempts,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
    )

"""What a completed analysis found: its summary, its SARIF, each artefact."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from forge_api.bodies import response_of
from forge_api.current import current
from forge_api.deps import Held, Named
from forge_api.problems import Problem, responses
from forge_api.services import Services
from forge_api.views import Results
from forge_core.attempts import ARTIFACT_NAME
from forge_core.history.queries import Job, Result
from forge_core.resource import Phase

router = APIRouter(tags=["results"])
SARIF: Final = "application/sarif+json"
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}
_SARIF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "SARIF 2.1.0",
        "content": {SARIF: {"schema": {"type": "object"}, "example": {"version": "2.1.0", "runs": []}}},
    }
}


async def _result(services: Services, job: Job) -> tuple[Job, Result]:
    """The result of a job that is completed; before that a stored one is provisional. Raises Problem 404, 409."""
    now = await current(services.kube, job)
    if now.phase != Phase.COMPLETED:
        said = f": {now.message}" if now.phase == Phase.FAILED and now.message else ""
        raise Problem(409, f"There is no result: the job is {now.phase.lower()}{said}", code="not-completed")
    result = await services.queries.result(now.uid) if now.uid else None
    if result is None:
        raise Problem(404, "The result is no longer kept.")
    return now, result


@router.get("/analyses/{job_id}/results", responses=responses(404, 409))
async def results(services: Held, job: Named) -> Results:
    """Score, recommendations and the list of artefacts."""
    return Results.of(*await _result(services, job))


@router.get("/analyses/{job_id}/sarif", response_class=Response, responses={**responses(404, 409), **_SARIF})
async def sarif(request: Request, services: Held, job: Named) -> Response:
    """The findings as SARIF 2.1.0, for GitHub code scanning and other readers."""
    now, result = await _result(services, job)
    names = [file.name for file in result.artifacts if SARIF in file.content_type or "sarif" in file.name]
    if not names:
        raise Problem(404, "This job left no SARIF.")
    return await _file(request, services, (now, result), names[0])


@router.get("/analyses/{job_id}/artifacts/{name}", response_class=Response, responses={**responses(404, 409), **_FILE})
async def artifact(
    request: Request, services: Held, job: Named, name: Annotated[str, Path(pattern=ARTIFACT_NAME)]
) -> Response:
    """One artefact, by the name that the results list."""
    return await _file(request, services, await _result(services, job), name)


async def _file(request: Request, services: Services, found: tuple[Job, Result], name: str) -> Response:
    job, result = found
    held = await services.queries.file(job.uid, name, result.attempt) if job.uid else None
    if held is None:
        raise Problem(404, "Artifact not found")
    response = response_of(request, *held)
    if SARIF not in held[0].content_type and "sarif" not in name:
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

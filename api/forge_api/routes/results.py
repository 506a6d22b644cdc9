"""What a completed job found: its summary, its SARIF, each artefact."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from forge_api.bodies import response_of, stored
from forge_api.current import current
from forge_api.deps import Held, Named, Root
from forge_api.problems import Problem, responses
from forge_api.services import Services
from forge_api.views import Artifacts, Results
from forge_core.attempts import ARTIFACT_NAME
from forge_core.history.queries import Job, Result, StoredFile
from forge_core.phase import Phase

router = APIRouter(tags=["results"])
SARIF: Final = "application/sarif+json"
_FILE: Final[dict[str, Any]] = {
    "description": "The file, in its own content type",
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
}
_SARIF: Final[dict[str, Any]] = {
    "description": "SARIF 2.1.0",
    "content": {SARIF: {"schema": {"type": "object"}, "example": {"version": "2.1.0", "runs": []}}},
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


@router.get("/{job_id}/results", responses=responses(404, 409))
async def results(services: Held, job: Named, root: Root) -> Results:
    """The summary (of an analysis its score and recommendations) and the list of artefacts."""
    now, result = await _result(services, job)
    return Results.of(now, result, root)


@router.get("/{job_id}/sarif", response_class=Response, responses=stored(_SARIF, 404, 409))
async def sarif(request: Request, services: Held, job: Named) -> Response:
    """The findings as SARIF 2.1.0, for GitHub code scanning and other readers."""
    now, result = await _result(services, job)
    names = [file.name for file in result.artifacts if _is_sarif(file) or "sarif" in file.name]
    if not names:
        raise Problem(404, "This job left no SARIF.")
    return await _file(request, services, (now, result), names[0])


@router.get("/{job_id}/artifacts", responses=responses(404, 409))
async def artifacts(services: Held, job: Named, root: Root) -> Artifacts:
    """The files of a completed job, by name; an attempt stores at most 16, of 64 MiB each."""
    now, result = await _result(services, job)
    return Artifacts.of(now, result, root)


@router.get("/{job_id}/artifacts/{name}", response_class=Response, responses=stored(_FILE, 404, 409))
async def artifact(
    request: Request, services: Held, job: Named, name: Annotated[str, Path(pattern=ARTIFACT_NAME)]
) -> Response:
    """One artefact, by the name that the list gives; a range of it with `Range: bytes=first-last`."""
    return await _file(request, services, await _result(services, job), name)


async def _file(request: Request, services: Services, found: tuple[Job, Result], name: str) -> Response:
    job, result = found
    held = await services.queries.file(job.uid, name, result.attempt) if job.uid else None
    if held is None:
        raise Problem(404, "Artifact not found")
    response = await response_of(request, *held)
    if not _is_sarif(held[0]):  # a browser saves what a runner called HTML, and never shows it in the API's name
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _is_sarif(file: StoredFile) -> bool:
    return file.content_type.partition(";")[0].strip().lower() == SARIF

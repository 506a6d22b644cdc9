"""What a runner's kind keeps for the repository's next jobs (forge_core.attempts is the contract)."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from forge_api.bodies import response_of
from forge_api.deps import Held
from forge_api.internal.routes import Calling, Number, not_recorded, owned, received, turn
from forge_api.problems import Problem, responses
from forge_core.attempts import CACHE_NAME, INTERNAL_PREFIX
from forge_core.history.baselines import NotRecorded
from forge_core.history.caches import NoRepository

router = APIRouter(prefix=f"{INTERNAL_PREFIX}/attempts/{{attempt}}/caches", tags=["runners"])
Name = Annotated[str, Path(pattern=CACHE_NAME)]


@router.get("/{name}", response_class=Response, responses=responses(404, 409))
async def fetch(request: Request, services: Held, runner: Calling, attempt: Number, name: Name) -> Response:
    """What a job of the same tenant, namespace and repository kept under this name."""
    await owned(services, runner, attempt)
    try:
        held = await services.caches.get(runner.job_uid, name, datetime.now(UTC))
    except NotRecorded:
        raise not_recorded() from None
    if held is None:
        raise Problem(404, "Nothing is kept under this name for the job's repository.", code="no-cache")
    return await response_of(request, *held)


@router.put("/{name}", status_code=204, responses=responses(408, 409, 411))
async def keep(request: Request, services: Held, runner: Calling, attempt: Number, name: Name) -> Response:
    """Keep these bytes, whole or not at all, in place of what was there; the last one to come counts."""
    await owned(services, runner, attempt)
    cache = await received(request, name)
    async with turn(services.storing):
        await owned(services, runner, attempt)
        try:
            await services.caches.put(runner.job_uid, cache, datetime.now(UTC))
        except NotRecorded:
            raise not_recorded() from None
        except NoRepository:
            raise Problem(422, "The job is about no repository: there is nothing to keep this for.") from None
    return Response(status_code=204)

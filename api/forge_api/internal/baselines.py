"""What a runner's analysis is compared with (forge_core.attempts is the contract): only its job's own."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from forge_api.bodies import response_of
from forge_api.deps import Held
from forge_api.internal.routes import Calling, Number, not_recorded, owned
from forge_api.problems import Problem, responses
from forge_core.attempts import INTERNAL_PREFIX
from forge_core.history.baselines import NoBaseline, NotRecorded

router = APIRouter(prefix=INTERNAL_PREFIX, tags=["runners"])


@router.get("/attempts/{attempt}/baseline", response_class=Response, responses=responses(404, 409))
async def baseline(request: Request, services: Held, runner: Calling, attempt: Number) -> Response:
    """The artefact of the analysis that the calling job's `config.baseline.analysis` names."""
    await owned(services, runner, attempt)
    try:
        held = await services.baselines.of(runner.job_uid)
    except NotRecorded:
        raise not_recorded() from None
    except NoBaseline as error:
        raise Problem(404, str(error), code="no-baseline") from None
    return await response_of(request, *held)

"""Maintenance (forge_core.maintenance is the contract): only the system tenant's clean-up runners may ask for it."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from forge_api.deps import Held
from forge_api.internal.bodies import answered, body
from forge_api.internal.identity import Runner
from forge_api.internal.routes import Calling
from forge_api.problems import responses
from forge_core.attempts import INTERNAL_PREFIX
from forge_core.logs import get_logger
from forge_core.maintenance import Ask, Step

router = APIRouter(prefix=f"{INTERNAL_PREFIX}/maintenance", tags=["maintenance"])
log = get_logger("api.maintenance")


async def cleaner_of(services: Held, runner: Calling) -> Runner:
    """The calling runner, if it may. Raises Problem 403: not the system tenant's, or not of a clean-up queue."""
    return await services.identities.cleaner(runner, services.upkeep.kept.namespace)


@router.post("/{step}", responses=responses(409))
async def maintain(
    step: Step,
    services: Held,
    runner: Annotated[Runner, Depends(cleaner_of)],
    ask: Annotated[Ask, Depends(body(Ask))],
) -> Response:
    """Do one batch of a step, or tell what it would do; the next call goes on where this one ended."""
    done = await services.upkeep.do(step, ask, datetime.now(UTC))
    changed = {name: count for name, count in done.counts.items() if count}
    log.info(
        "maintenance", step=step, job=str(runner.job_uid), dry_run=ask.dry_run, looked_at=done.looked_at, **changed
    )
    return answered(done)

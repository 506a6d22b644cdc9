"""The runners' three calls (forge_core.attempts is their contract) and the metrics."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Security
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from forge_api.deps import Held, services_of
from forge_api.internal.bodies import answered, body
from forge_api.internal.claiming import claim as claim_attempt
from forge_api.internal.identity import JobGone, Runner
from forge_api.internal.late import Sent, orphan_too_late, too_late
from forge_api.internal.spooling import promised, spooled
from forge_api.problems import Problem, responses, unavailable
from forge_api.services import Services
from forge_core.attempts import ARTIFACT_NAME, FENCED, INTERNAL_PREFIX, MAX_SUMMARY_BYTES, ClaimRequest, Outcome
from forge_core.history.attempts import Fenced, Incomplete, Owner, StoredArtifact

router = APIRouter(prefix=INTERNAL_PREFIX, tags=["runners"])
looking = APIRouter(tags=["health"])
STORE_WAIT_SECONDS: Final = 30
_MEDIA_TYPE: Final = re.compile(r"[\x21-\x7e]+/[\x20-\x7e]{1,100}")
_bearer = HTTPBearer(auto_error=False, description="The runner's projected token, audience forge-api.")


async def runner_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Runner:
    """The pod that calls."""
    services = services_of(request)
    try:
        return await services.identities.runner(credentials.credentials if credentials else "")
    except JobGone as error:
        if request.method != "GET":  # what is only read is no late upload
            await orphan_too_late(services, error.pod_uid, request.path_params)
        raise


Calling = Annotated[Runner, Depends(runner_of)]
Number = Annotated[int, Path(ge=1, le=100_000)]


@router.post("/attempts", responses=responses(409))
async def claim(
    services: Held, runner: Calling, asked: Annotated[ClaimRequest, Depends(body(ClaimRequest))]
) -> Response:
    """Draw an attempt from the job's budget; 409 `exhausted` when it is spent, `done` or `fenced`."""
    async with _refusals(services, runner, Sent(0, "claim")):
        claimed = await claim_attempt(services, runner, asked.number_in_pod)
    return answered(claimed)


@router.put("/attempts/{attempt}/artifacts/{name}", status_code=204, responses=responses(408, 409, 411))
async def store(
    request: Request,
    services: Held,
    runner: Calling,
    attempt: Number,
    name: Annotated[str, Path(pattern=ARTIFACT_NAME)],
) -> Response:
    """Store one artefact, whole or not at all."""
    owner = Owner(runner.job_uid, attempt, runner.pod_uid)
    async with _refusals(services, runner, Sent(attempt, name)):
        await services.attempts.check(owner)
    artifact = await received(request, name)
    async with _refusals(services, runner, Sent(attempt, name)), turn(services.storing):
        await services.attempts.store(owner, artifact, datetime.now(UTC))
    return Response(status_code=204)


@router.put("/attempts/{attempt}/outcome", status_code=204, responses=responses(409))
async def finish(
    request: Request,
    services: Held,
    runner: Calling,
    attempt: Number,
    outcome: Annotated[Outcome, Depends(body(Outcome))],
) -> Response:
    """Commit how the attempt ended. A success is provisional until the job is Completed."""
    if len(await request.body()) > MAX_SUMMARY_BYTES + 16 * 1024:
        raise Problem(413, f"The summary is larger than {MAX_SUMMARY_BYTES} bytes.")
    async with _refusals(services, runner, Sent(attempt, "outcome")):
        await services.attempts.finish(Owner(runner.job_uid, attempt, runner.pod_uid), outcome, datetime.now(UTC))
    return Response(status_code=204)


@looking.get("/metrics", response_class=Response)
async def metrics(services: Held) -> Response:
    """Prometheus' text format."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def _refusals(services: Services, runner: Runner, sent: Sent) -> AsyncIterator[None]:
    try:
        yield
    except Fenced as error:
        await too_late(services, runner, sent, str(error))
        raise fenced(error) from None
    except Incomplete as error:
        raise Problem(422, str(error)) from None


async def owned(services: Services, runner: Runner, attempt: int) -> None:
    """Raises Problem 409 unless the attempt is still the calling pod's."""
    try:
        await services.attempts.check(Owner(runner.job_uid, attempt, runner.pod_uid))
    except Fenced as error:
        raise fenced(error) from None


def fenced(error: Fenced) -> Problem:
    """The answer to whom an attempt isn't any more."""
    return Problem(409, f"Stop: {error}.", code=FENCED)


def not_recorded() -> Problem:
    """The answer about a job whose row isn't there yet."""
    return unavailable("The job is not recorded yet; try again.")


async def received(request: Request, name: str) -> StoredArtifact:
    """A request's body, whole and as its headers promise. Raises Problem 411, 415, 422."""
    content_type = request.headers.get("content-type", "application/octet-stream")
    if not _MEDIA_TYPE.fullmatch(content_type):
        raise Problem(422, "Content-Type is not a media type.")
    if "content-encoding" in request.headers:
        raise Problem(415, "Send the artefact as it is, without Content-Encoding.")
    promise = promised(request.headers.get("content-length"), request.headers.get("content-digest"))
    try:
        body = await spooled(request.stream(), promise)
    except ClientDisconnect:
        raise Problem(422, "The upload was cut off.") from None
    return StoredArtifact(name, content_type, promise.size, promise.sha256.hex(), body)


@asynccontextmanager
async def turn(storing: asyncio.Semaphore) -> AsyncIterator[None]:
    """A place among those whose whole bodies are in memory. Raises Problem 503 when none is free for long."""
    try:
        async with asyncio.timeout(STORE_WAIT_SECONDS):
            await storing.acquire()
    except TimeoutError:
        raise unavailable("Too many uploads at once; try again.") from None
    try:
        yield
    finally:
        storing.release()

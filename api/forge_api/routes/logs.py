"""A job's log as plain text: the live tail while it runs, the archived whole once it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from forge_api.bodies import response_of, stored
from forge_api.current import current
from forge_api.deps import Held, Named
from forge_api.problems import Problem
from forge_api.relay import TooMany
from forge_api.services import Services
from forge_core.history.queries import Job
from forge_core.messages import ProgressUnavailable
from forge_core.names import log_stream
from forge_core.progress import BEGINNING

router = APIRouter(tags=["logs"])
ARTIFACT: Final = "log"
TEXT: Final = "text/plain; charset=utf-8"
BLOCK_MS: Final = 2000
COUNT: Final = 500
_TEXT: Final[dict[str, Any]] = {
    "description": "Lines of text; without digests while they still come",
    "content": {"text/plain": {"schema": {"type": "string"}, "example": "runner started\ncloning\n"}},
}


@router.get("/{job_id}/logs", response_class=Response, responses=stored(_TEXT, 404, 429))
async def logs(
    request: Request,
    services: Held,
    job: Named,
    follow: Annotated[bool, Query(description="Go on with new lines until the job ends.")] = False,
    attempt: Annotated[int | None, Query(ge=1, le=1000, description="The archived log of this attempt.")] = None,
) -> Response:
    """The newest attempt's log: archived if it has ended, else the tail of at most 2,000 lines."""
    now = await current(services.kube, job)
    if attempt is not None or now.phase.terminal:
        held = await services.queries.file(now.uid, ARTIFACT, attempt) if now.uid else None
        if held is not None:
            return await response_of(request, *held, content_type=TEXT)
        if attempt is not None:
            raise Problem(404, f"No log of attempt {attempt} is kept.")
    if follow and not now.phase.terminal:
        return await _following(services, now)
    lines = await _tail(services, now)
    if now.phase.terminal and not lines:
        raise Problem(404, "No log of this job is kept.")
    return PlainTextResponse("".join(lines))


async def _tail(services: Services, job: Job) -> list[str]:
    lines: list[str] = []
    after = BEGINNING
    while job.uid is not None:
        entries = await services.progress.read(log_stream(job.tenant, str(job.uid)), after, count=COUNT)
        lines += [_line(entry.payload) for entry in entries]
        if len(entries) < COUNT:
            break
        after = entries[-1].id
    return lines


def _line(payload: str) -> str:
    return payload.rstrip("\r\n") + "\n"


async def _following(services: Services, job: Job) -> Response:
    """A stream of lines; it counts as one of the tenant's open progress connections."""
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(services.relay.place(job.tenant, "log"))
    except TooMany as error:
        raise Problem(429, str(error)) from None
    return StreamingResponse(_lines(services, job, stack), media_type=TEXT, headers={"Cache-Control": "no-store"})


async def _lines(services: Services, job: Job, stack: AsyncExitStack) -> AsyncIterator[str]:
    """What is there, then what comes, until the job has ended and nothing is left. Redis away ends it with the job."""
    after = BEGINNING
    async with stack:
        while not services.life.draining:
            entries = []
            ended = job.phase.terminal
            try:
                if job.uid is not None:
                    key = log_stream(job.tenant, str(job.uid))
                    entries = await services.reader.read(key, after, block_ms=0 if ended else BLOCK_MS)
                else:
                    await asyncio.sleep(BLOCK_MS / 1000)
            except ProgressUnavailable:
                await asyncio.sleep(BLOCK_MS / 1000)
            for entry in entries:
                after = entry.id
                yield _line(entry.payload)
            if ended and not entries:
                return
            if not entries:
                row = await services.queries.job(job.tenant, job.id)
                job = await current(services.kube, row or job)

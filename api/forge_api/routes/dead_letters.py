"""Dead letters: what failed, in groups of one cause, and doing it again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.convertors import Convertor, register_url_convertor

from forge_api import cursors
from forge_api.dead_letter_views import (
    FINGERPRINT,
    DeadLetterGroup,
    DeadLetterGroups,
    GroupFilters,
    Redrive,
    RedriveAll,
    RedriveGroup,
)
from forge_api.deps import Caller, Calling, Held, Named, Root
from forge_api.problems import Problem, responses
from forge_api.services import Services
from forge_api.submitting import send
from forge_api.views import Accepted, Analyses, Analysis, PageAsked
from forge_core.history.dead_letters import DeadLetterFilter
from forge_core.history.queries import Wanted
from forge_core.history.redriving import Asker, NotRedriven, Selection
from forge_core.phase import Phase


class _FingerprintConvertor(Convertor[str]):
    """In a path only a fingerprint is one, so that /dead-letters/redrive is never taken for a group."""

    regex = FINGERPRINT.strip("^$")

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("fingerprint", _FingerprintConvertor())
router = APIRouter(tags=["dead letters"])
of_job = APIRouter(tags=["dead letters"])
Fingerprint = Annotated[str, Path(pattern=FINGERPRINT, description="A group's, from GET /dead-letters.")]


@router.get("/dead-letters", responses=responses())
async def groups(services: Held, caller: Calling, asked: Annotated[GroupFilters, Query()]) -> DeadLetterGroups:
    """The tenant's failed jobs in groups of one cause, the group with the newest failure first."""
    wanted = DeadLetterFilter(asked.queue, asked.failure_class, asked.since)
    after = cursors.decode_group(asked.cursor) if asked.cursor else None
    found, last = await services.dead_letters.groups(caller.tenant, wanted, after, asked.limit)
    items = [DeadLetterGroup.of(group) for group in found]
    return DeadLetterGroups(items=items, next_cursor=cursors.encode_group(last) if last else None)


@router.get("/dead-letters/{fingerprint:fingerprint}", responses=responses(404))
async def jobs(
    services: Held, caller: Calling, fingerprint: Fingerprint, asked: Annotated[PageAsked, Query()]
) -> Analyses:
    """The jobs of a group, newest first; `retriedBy` says which are done again."""
    after = cursors.decode(asked.cursor) if asked.cursor else None
    wanted = Wanted(phase=Phase.FAILED, fingerprint=fingerprint)
    found, last = await services.queries.page(caller.tenant, wanted, after, asked.limit)
    if not found and after is None:
        raise _no_such_group()
    return Analyses(items=[Analysis.of(job) for job in found], next_cursor=cursors.encode(last) if last else None)


@of_job.post("/{job_id}/redrive", status_code=201, responses=responses(404, 409))
async def redrive_one(services: Held, caller: Calling, job: Named, root: Root, response: Response) -> Accepted:
    """Do a failed job again, as a new job; 409 when one does it already, or it has not failed."""
    try:
        new_id = await services.redriving.one(await _asker(services, caller), job.id)
    except NotRedriven as error:
        raise _conflict(error) from None
    if new_id is None:
        raise Problem(404, "Job not found")
    await send(services, new_id)
    response.headers["Location"] = f"{root}/{new_id}"
    return Accepted(id=new_id, estimated_duration=await services.estimating.seconds(job.queue))


@router.post("/dead-letters/redrive", status_code=202, responses=responses(400))
async def redrive_all(services: Held, caller: Calling, asked: RedriveAll) -> Redrive:
    """Do failed jobs of any cause again, as new jobs that are sent one by one."""
    selection = Selection(asked.limit, queue=asked.queue, failure_class=asked.failure_class)
    return await _redrive(services, caller, selection)


@router.post("/dead-letters/{fingerprint:fingerprint}/redrive", status_code=202, responses=responses(400, 404))
async def redrive_group(services: Held, caller: Calling, fingerprint: Fingerprint, asked: RedriveGroup) -> Redrive:
    """Do the failed jobs of one cause again, as new jobs that are sent one by one."""
    done = await _redrive(services, caller, Selection(asked.limit, fingerprint=fingerprint))
    if not done.redriven + done.skipped + done.left:
        raise _no_such_group()
    return done


async def _redrive(services: Services, caller: Caller, selection: Selection) -> Redrive:
    done = await services.redriving.many(await _asker(services, caller), selection)
    return Redrive(redriven=done.redriven, skipped=done.skipped, left=done.left, last_at=done.last_at)


async def _asker(services: Services, caller: Caller) -> Asker:
    return Asker(caller.tenant, caller.identity.user, await services.tenants.namespaces(caller.tenant))


def _conflict(error: NotRedriven) -> Problem:
    if error.retried_by is None:
        return Problem(409, str(error), code="not-redrivable")
    return Problem(409, str(error), code="redriven", retriedBy=str(error.retried_by))


def _no_such_group() -> Problem:
    return Problem(404, "The tenant has no dead letters of this fingerprint.")

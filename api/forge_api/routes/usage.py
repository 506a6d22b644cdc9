"""What a tenant used, by queue and hour."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from forge_api.deps import Calling, Held
from forge_api.problems import Problem, responses
from forge_api.usage_views import UsageAsked, UsageReport, UsageView
from forge_core.history.usage import Wanted

router = APIRouter(tags=["usage"])
A_DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=31)


@router.get("/usage", responses=responses())
async def usage(services: Held, caller: Calling, asked: Annotated[UsageAsked, Query()]) -> UsageReport:
    """The tenant's use of each queue in each hour: of at most 31 days, of the last day when nothing is asked for."""
    wanted = _wanted(asked)
    found = await services.upkeep.usages.of(caller.tenant, wanted)
    return UsageReport(
        since=wanted.since,
        until=wanted.until,
        closed_until=await services.upkeep.usages.closed_until(),
        items=[UsageView.of(each) for each in found],
    )


def _wanted(asked: UsageAsked) -> Wanted:
    try:
        until = asked.until or (asked.since + A_DAY if asked.since else datetime.now(UTC))
        since = asked.since or until - A_DAY
    except OverflowError:
        raise Problem(422, "since, until: give times of our days.") from None
    if until <= since:
        raise Problem(422, "until must be later than since.")
    if until - since > LONGEST:
        raise Problem(422, f"Ask for at most {LONGEST.days} days at once: bring since and until closer together.")
    return Wanted(since.astimezone(UTC), until.astimezone(UTC), asked.queue)

"""The maintenance side of the internal API: what clean-up runners ask for, a batch a call.

    POST /internal/v1/maintenance/{step}    Ask -> 200 Done

Only for pods whose job is of a queue of jobType cleanup, in the system tenant's namespace (403 for all others). A call
does one batch and answers where it ended; the next one begins there. Each batch is whole in itself and may be repeated:
what is done is done, so a clean-up that was cut off is simply begun again.

What only the operator may touch is passed on to it by the API, as it came, with the token that both were given:

    POST /maintenance/{step}                Ask -> 200 Done    (on the operator's port)
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, field

from forge_core.wire import Strict

CLEANUP: Final = "cleanup"
"""jobType of the queues whose runners may call."""


class Task(StrEnum):
    """`config.task` of a clean-up job."""

    AGGREGATE_USAGE = "aggregate-usage"
    RETIRE_ORPHANS = "retire-orphans"
    PURGE_HISTORY = "purge-history"
    CLEANUP_OLD_CLONES = "cleanup-old-clones"
    """The clone cache's own (forge_core.clones); the API has no step of it."""


class Step(StrEnum):
    """One kind of batch."""

    USAGE = "usage"
    """Hours that want it are aggregated."""
    ROWS = "rows"
    """Jobs past the history's retention go, with all that hangs on them."""
    ARTIFACTS = "artifacts"
    """Artefacts past theirs go."""
    CACHES = "caches"
    """What jobs keep for the next ones of their repository, and nobody used for as long as artefacts are kept, goes."""
    ORPHANS = "orphans"
    """Rows that belong to no job go."""
    SECRETS = "secrets"
    """Secrets of webhook endpoints that don't exist go."""
    JOBS = "jobs"
    """Jobs of the cluster whose AnalysisJob isn't there go: by the operator."""
    REDIS = "redis"
    """Redis users and keys of tenants that aren't there go, and keys that have no end: by the operator."""


_OWNERLESS: Final = (Step.ORPHANS, Step.SECRETS, Step.JOBS, Step.REDIS)
STEPS: Final = {
    Task.AGGREGATE_USAGE: (Step.USAGE,),
    Task.RETIRE_ORPHANS: _OWNERLESS,
    # A row goes only when its hour's usage is known.
    Task.PURGE_HISTORY: (Step.USAGE, Step.ROWS, Step.ARTIFACTS, Step.CACHES, *_OWNERLESS),
}
OPERATORS: Final = frozenset({Step.JOBS, Step.REDIS})
"""Steps that the API passes on."""
OPERATOR_PATH: Final = "/maintenance/"
"""On the operator's port, followed by the step."""
OWNERLESS_FOR: Final = timedelta(days=1)
"""What belongs to nobody and was not touched for this long belongs to nobody who will still come."""


class Ask(Strict, frozen=True, omit_defaults=True):
    """`after` is the last answer's, empty at the beginning; `done` its number of things looked at, summed."""

    after: Annotated[str, Meta(max_length=200)] = ""
    done: Annotated[int, Meta(ge=0, le=10**12)] = 0
    dry_run: bool = False
    """Only count what would change, as if the steps before this one in its task had been done."""


class Done(Strict, frozen=True):
    """What a call did. `share` (0-1) is how much of the step is done, by work and not by time."""

    after: Annotated[str, Meta(max_length=200)]
    """Where it ended; empty when the step is done."""
    looked_at: Annotated[int, Meta(ge=0)]
    share: Annotated[float, Meta(ge=0, le=1)]
    counts: dict[str, int] = field(default_factory=dict)
    """What changed, or would by a dry run, by name: `jobs`, `artifacts`, `hours`, `kept`, ..."""


NOTHING: Final = Done(after="", looked_at=0, share=1)
"""There is nothing to do in a step."""

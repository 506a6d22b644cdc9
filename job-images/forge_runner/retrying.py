"""What follows a failed attempt: a pure decision between another attempt in this pod and an end."""

from dataclasses import dataclass, field
from typing import Any

from forge_core.assignment import Backoff
from forge_core.attempts import Claim
from forge_core.exits import Exit, FailureClass


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed; `message` is a sentence without credentials."""

    failure_class: FailureClass
    message: str
    account: dict[str, Any] = field(default_factory=dict)
    """What else the attempt tells of it; kept with the attempt."""
    wait: float = 0.0
    """Seconds that the other side asked for before another attempt."""


@dataclass(frozen=True)
class Again:
    """Claim another attempt after `pause` seconds. `likely` is False when the budget seems spent: the API decides."""

    pause: float
    likely: bool


@dataclass(frozen=True)
class Stop:
    """End this pod with `exit`."""

    exit: Exit


def after(failure: Failure, claim: Claim, backoff: Backoff, chance: float) -> Again | Stop:
    """What follows when the attempt that `claim` granted ended in `failure`; `chance` (in [0, 1)) is the jitter's.

    The runner doesn't judge by itself that the budget is spent, for disruptions are refunded: it asks, but at once
    when the numbers say that it will be told so (nobody should wait for a foreseeable refusal).
    """
    if failure.failure_class is FailureClass.DISRUPTION:
        return Stop(Exit.INTERRUPTED)
    if not failure.failure_class.retryable:
        return Stop(Exit.PERMANENT)
    pause = backoff.lengthened(max(backoff.pause_after(claim.attempt), backoff.obeyed(failure.wait)), chance)
    return Again(pause=pause, likely=claim.attempt < claim.attempts)

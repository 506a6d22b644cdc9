"""Exit codes of a runner and what follows from each; the one place where operator and runner agree on them.

The operator's `podFailurePolicy` is made from these (KEP-3329); codes 1-2 and 126-255 belong to Python, the shell and
signals, so ours lie between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Exit(IntEnum):
    """How a runner's process ends."""

    SUCCEEDED = 0
    """The result is durably stored."""
    PERMANENT = 10
    """Another attempt can't help (bad ref, bad credentials, invalid config). The Job fails at once."""
    EXHAUSTED = 11
    """The budget of attempts is spent. The Job fails at once."""
    BEFORE_CLAIM = 12
    """No attempt was claimed (the API was away). Not charged: another pod follows."""
    INTERRUPTED = 13
    """SIGTERM came. Charged, unless the pod carries the condition DisruptionTarget."""
    NOT_SAVED = 14
    """The work was done but could not be stored within the allowance. Charged: another pod follows."""


class FailureClass(StrEnum):
    """Why an attempt failed; RULES says what follows."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    DISRUPTION = "disruption"
    STALLED = "stalled"
    CANCELLED = "cancelled"

    @property
    def retryable(self) -> bool:
        """Whether another attempt may help."""
        return RULES[self].tried_again


@dataclass(frozen=True)
class Rule:
    """What follows from a class of failure. docs/failures.md shows the same table; a test compares them."""

    means: str
    tried_again: bool
    charged: bool
    """Whether it counts against the job's budget of attempts; a disruption is refunded MAX_REFUNDS times a job."""
    by: str
    """Who sees it first, and where the next attempt runs."""


RULES: Final[Mapping[FailureClass, Rule]] = {
    FailureClass.PERMANENT: Rule(
        means="another attempt can't help: no such ref, credentials refused, invalid config, a result too large",
        tried_again=False,
        charged=True,
        by="the runner; none follows",
    ),
    FailureClass.TRANSIENT: Rule(
        means="the network, a server, a process that died: it may pass",
        tried_again=True,
        charged=True,
        by="the runner; in the same pod after the queue's backoff. In another pod when the runner itself ended",
    ),
    FailureClass.TIMEOUT: Rule(
        means="the attempt took longer than its limit, or the whole job longer than its deadline",
        tried_again=True,
        charged=True,
        by="the runner; in the same pod after the queue's backoff. None follows a job's deadline",
    ),
    FailureClass.OUT_OF_MEMORY: Rule(
        means="the kernel killed it for want of memory: choose a larger resourceClass",
        tried_again=True,
        charged=True,
        by="the kubelet; in another pod. The runner, in the same pod, where only the work was killed",
    ),
    FailureClass.DISRUPTION: Rule(
        means="the cluster or a person took the pod away: eviction, preemption, a lost node, kubectl delete",
        tried_again=True,
        charged=False,
        by="the cluster (condition DisruptionTarget); in another pod. Charged when nothing but a person did it",
    ),
    FailureClass.STALLED: Rule(
        means="the pod lived, but its runner gave no sign of life for the queue's stall.after",
        tried_again=True,
        charged=True,
        by="the operator, which ends the pod; in another pod",
    ),
    FailureClass.CANCELLED: Rule(
        means="the job was cancelled or deleted while the attempt ran",
        tried_again=False,
        charged=True,
        by="the operator; none follows",
    ),
}

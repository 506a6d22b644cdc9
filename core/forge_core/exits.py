"""Exit codes of a runner and what follows from each; the one place where operator and runner agree on them.

The operator's `podFailurePolicy` is made from these (KEP-3329); codes 1-2 and 126-255 belong to Python, the shell and
signals, so ours lie between.
"""

from enum import IntEnum, StrEnum


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
    """Why an attempt failed."""

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
        return self not in {FailureClass.PERMANENT, FailureClass.CANCELLED}

"""Where a job is: one word for the operator, the API, the history and whoever watches."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a job is. Terminal ones are final."""

    QUEUED = "Queued"
    RUNNING = "Running"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
        return self in {Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED}

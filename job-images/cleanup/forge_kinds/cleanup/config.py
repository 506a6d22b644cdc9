"""What a job's `config` says about a clean-up. The CRD checks it first; what slips through ends Permanent."""

from typing import Self

from pydantic import StrictBool, model_validator

from forge_core.maintenance import Task
from forge_core.resource import Bytes, Seconds
from forge_runner.config import Config


class CleanupConfig(Config):
    """Which clean-up it is. How long history is kept is the installation's to say, not the job's."""

    task: Task
    dryRun: StrictBool = False  # noqa: N815 - as the manifest spells it
    unusedFor: Seconds | None = None  # noqa: N815
    """Seconds; left out, the clone cache's own limit."""
    maxSize: Bytes | None = None  # noqa: N815
    """Bytes; the same."""

    @model_validator(mode="after")
    def of_clones(self) -> Self:
        """What only a clean-up of clones knows is refused elsewhere."""
        if self.task is Task.CLEANUP_OLD_CLONES:
            return self
        if self.unusedFor is not None or self.maxSize is not None:
            raise ValueError(f"unusedFor and maxSize are for {Task.CLEANUP_OLD_CLONES} only")
        return self

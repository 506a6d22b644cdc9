"""What a job's `config` says about a clean-up. The CRD checks it first; what slips through ends Permanent."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from forge_core.durations import parse_duration
from forge_core.maintenance import Task
from forge_core.quantities import parse_quantity
from forge_runner.config import Config


def _seconds(text: object) -> object:
    return parse_duration(text) if isinstance(text, str) else text


def _bytes(text: object) -> object:
    return int(parse_quantity(text)) if isinstance(text, str) else text


class CleanupConfig(Config):
    """Which clean-up it is. How long history is kept is the installation's to say, not the job's."""

    task: Task
    unused_for: Annotated[float, BeforeValidator(_seconds), Field(ge=0)] | None = Field(None, alias="unusedFor")
    """Seconds; left out, the clone cache's own limit."""
    max_size: Annotated[int, BeforeValidator(_bytes), Field(ge=0)] | None = Field(None, alias="maxSize")
    """Bytes; the same."""
    dry_run: bool = Field(False, alias="dryRun", strict=True)

    @model_validator(mode="after")
    def of_clones(self) -> Self:
        """What only a clean-up of clones knows is refused elsewhere, a dry run above all: it would be none."""
        if self.task is not Task.CLEANUP_OLD_CLONES and (
            self.unused_for is not None or self.max_size is not None or self.dry_run
        ):
            raise ValueError(f"unusedFor, maxSize and dryRun are for {Task.CLEANUP_OLD_CLONES} only")
        return self

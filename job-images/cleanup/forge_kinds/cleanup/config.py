"""What a job's `config` says about a clean-up. The CRD checks it first; what slips through ends Permanent."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StrictBool, model_validator

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
    dryRun: StrictBool = False  # noqa: N815 - as the manifest spells it
    unusedFor: Annotated[float, BeforeValidator(_seconds), Field(ge=0)] | None = None  # noqa: N815
    """Seconds; left out, the clone cache's own limit."""
    maxSize: Annotated[int, BeforeValidator(_bytes), Field(ge=0)] | None = None  # noqa: N815
    """Bytes; the same."""

    @model_validator(mode="after")
    def of_clones(self) -> Self:
        """What only a clean-up of clones knows is refused elsewhere."""
        if self.task is Task.CLEANUP_OLD_CLONES:
            return self
        if self.unusedFor is not None or self.maxSize is not None:
            raise ValueError(f"unusedFor and maxSize are for {Task.CLEANUP_OLD_CLONES} only")
        return self

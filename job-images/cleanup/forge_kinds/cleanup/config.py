"""What a job's `config` says about a clean-up. The CRD checks it first; what slips through ends Permanent."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from forge_core.maintenance import Task
from forge_runner.report import Permanent


class CleanupConfig(BaseModel):
    """Which clean-up it is. How long things are kept is the installation's to say, not the job's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task

    @classmethod
    def read(cls, config: dict[str, Any]) -> Self:
        """The assignment's `config`. Raises Permanent with the field and what is wrong."""
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in ("config", *first["loc"]))
            raise Permanent(f"{where[:200]}: {first['msg']}") from None

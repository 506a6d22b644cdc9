"""What every kind does the same way with a job's `config`: read it by a model of its own. The CRD checked it first."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from forge_runner.report import Permanent


class Config(BaseModel):
    """The base of a kind's `config`: whatever the kind doesn't know is refused, the fields of other kinds too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, config: dict[str, Any]) -> Self:
        """The assignment's `config`. Raises Permanent with the field and what is wrong."""
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in ("config", *first["loc"]))
            raise Permanent(f"{where[:200]}: {first['msg'].removeprefix('Value error, ')}") from None

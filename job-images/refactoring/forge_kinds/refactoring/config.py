"""What a job's `config` may say about a refactoring. The CRD checks it first; what slips through ends Permanent."""

import keyword
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from forge_core.resource import Seconds
from forge_runner.sandboxed.terms import Installed
from forge_runner.sources.selection import Selection

DEFAULT_TARGET: Final = "3.10"
"""What fixes are written for when no `modernize` says more; ruff's own default."""


class Operation(StrEnum):
    """What can be done, in the order in which it is done."""

    RENAME = "rename"
    MODERNIZE = "modernize"
    FIX = "fix"
    EXTRACT = "extract"
    IMPORTS = "imports"


class Imports(StrEnum):
    """What can be done to imports."""

    SORT = "sort"
    REMOVE_UNUSED = "remove-unused"


Target = Literal["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
RuleName = Annotated[str, Field(pattern=r"^[A-Z]{1,8}[0-9]{0,4}$")]


Argument = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rename(_Part):
    """A name of a module gets another one."""

    symbol: Annotated[str, Field(max_length=255, pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)+$")]
    """Dotted, as it is imported: `package.module.name`."""
    to: Annotated[str, Field(max_length=100, pattern=r"^[^\W\d]\w*$")]

    @field_validator("to")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if keyword.iskeyword(name) or not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"{name!r} can't be a name of a module's own")
        return name

    @model_validator(mode="after")
    def _another(self) -> "Rename":
        if self.symbol.rpartition(".")[2] == self.to:
            raise ValueError("the symbol has that name already")
        return self


class Extract(_Part):
    """Functions that are hard to follow are split."""

    over: Annotated[int, Field(ge=5, le=1000)]
    """The cognitive complexity above which a function is."""


class Verify(_Part):
    """The repository's tests are run before and after."""

    command: Annotated[tuple[Argument, ...], Field(max_length=50)] = ()
    pytest: bool = False
    install: Annotated[tuple[Installed, ...], Field(max_length=10)] = ()
    """Files of requirements, or the repository itself."""
    timeout: Annotated[Seconds, Field(ge=1, le=3600)] = 600.0
    """Seconds of one run."""

    @model_validator(mode="after")
    def _one_way(self) -> "Verify":
        if bool(self.command) == self.pytest:
            raise ValueError("say either command, such as [make, test], or pytest: true")
        if self.command and not self.command[0]:
            raise ValueError("a command begins with the name of a program")
        return self


class RefactoringConfig(Selection):
    """At least one operation; several are done one after the other, into one patch."""

    rename: Rename | None = None
    extract: Extract | None = None
    modernize: Target | None = None
    fix: Annotated[tuple[RuleName, ...], Field(max_length=50)] = ()
    imports: Annotated[tuple[Imports, ...], Field(max_length=2)] = ()
    verify: Verify | None = None

    @model_validator(mode="after")
    def _something(self) -> "RefactoringConfig":
        if not self.operations:
            raise ValueError(f"say what to do: one or more of {', '.join(Operation)}")
        return self

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those that are asked for, in order."""
        return tuple(operation for operation in Operation if getattr(self, operation.value))

    @property
    def target(self) -> str:
        """The oldest Python that the result must run on, as ruff names it."""
        return "py" + (self.modernize or DEFAULT_TARGET).replace(".", "")

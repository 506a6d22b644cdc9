"""What the sandbox may answer: a statement of the repository's code, which may lie. Only its form is checked here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Line = Annotated[int, Field(ge=1, le=10_000_000)]
Arc = tuple[Annotated[int, Field(ge=-10_000_000, le=10_000_000)], Annotated[int, Field(ge=-10_000_000, le=10_000_000)]]
Name = Annotated[str, Field(max_length=2000)]
Sentence = Annotated[str, Field(max_length=1000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class Imported(_Part):
    """Path -> why the module can't be imported, "" when it can."""

    modules: dict[Name, Sentence]


class Touched(_Part):
    """Lines and branches of one file that were covered."""

    lines: tuple[Line, ...]
    arcs: tuple[Arc, ...]


class FileCoverage(Touched):
    """All that the file has, too."""

    statements: tuple[Line, ...]
    branches: tuple[Arc, ...]


class Run(_Part):
    """One run of tests. `exit` is None when it told nothing, and `how` says what became of it."""

    exit: int | None
    how: Sentence
    notes: tuple[Sentence, ...] = ()
    outcomes: dict[Name, Annotated[str, Field(max_length=20)]]
    why: dict[Name, Sentence]
    effects: dict[Name, Sentence]

    @property
    def failing(self) -> frozenset[str]:
        """Tests, and modules that can't be collected."""
        return frozenset(name for name, outcome in self.outcomes.items() if outcome == "failed")


class Measured(_Part):
    """Runs, and what all of them covered: of all tests, of each new one, and while modules were imported."""

    runs: tuple[Run, ...]
    coverage: dict[Name, FileCoverage]
    imported: dict[Name, Touched]
    contexts: dict[Name, dict[Name, Touched]]

    @property
    def complete(self) -> bool:
        """Whether each run told what it saw."""
        return bool(self.runs) and all(run.exit is not None for run in self.runs)


class Searched(_Part):
    """Texts of modules of tests."""

    properties: Annotated[str, Field(max_length=400_000)]
    characterisations: Annotated[str, Field(max_length=400_000)]
    said: tuple[Sentence, ...]

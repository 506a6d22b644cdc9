"""What a job's `config` may say about an analysis. The CRD checks it first; what slips through ends Permanent."""

from datetime import date
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from forge_kinds.analysis.findings import Severity
from forge_kinds.analysis.languages import LANGUAGE_NAMES
from forge_runner.config import Config
from forge_runner.sources.selection import MAX_PATTERNS, Pattern, Selection
from forge_runner.workspace import Reach

MAX_COMMITS: Final = 5_000


class _Part(Config):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")


class Baseline(_Part):
    """What the commit is compared with: another commit of the repository, or an analysis that was made of one."""

    ref: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    analysis: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ref is None) == (self.analysis is None):
            raise ValueError("name either a ref or the id of an analysis")
        return self


class Gate(_Part):
    """What the commit must keep to, seen against the baseline."""

    no_new: Severity | None = None
    """No new finding of this severity or graver."""
    score_not_lower: bool = False
    max_new_duplication: Annotated[float, Field(ge=0, le=100)] | None = None
    """Per cent of the new lines of code."""

    @field_validator("no_new", mode="before")
    @classmethod
    def _by_word(cls, value: object) -> object:
        words = {severity.word: severity for severity in Severity}
        if value is not None and value not in words:
            raise ValueError(f"write one of {', '.join(words)}")
        return words[str(value)] if value is not None else None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.no_new is None and not self.score_not_lower and self.max_new_duplication is None:
            raise ValueError("name at least one condition: noNew, scoreNotLower or maxNewDuplication")
        return self


class History(_Part):
    """How far back the history is looked at, to know which files change often."""

    commits: Annotated[int, Field(ge=2, le=MAX_COMMITS)] | None = None
    since: date | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.commits is None) == (self.since is None):
            raise ValueError("name either a number of commits or the day since when")
        return self

    def reach(self) -> Reach:
        """As the fetch takes it."""
        return Reach(since=self.since.isoformat()) if self.since else Reach(self.commits or 1)


Module = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")]
"""A Python module or package, as it is imported; all within it is meant too."""
Layer = Annotated[tuple[Module, ...], Field(min_length=1, max_length=10)]


class AnalysisConfig(Selection):
    """Which part of the repository is analysed, all of it when nothing is said, and what it is compared with."""

    languages: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Names as in the result, in any case (`Python`); secrets are looked for in all files whatever this says."""
    baseline: Baseline | None = None
    gate: Gate | None = None
    history: History | None = None
    layers: Annotated[tuple[Layer, ...], Field(min_length=2, max_length=20)] | None = None
    """The highest first: a module may import from its own layer and from lower ones."""
    cache: bool = True
    """Whether what an earlier analysis of the repository knew of its files is used, and kept for the next one."""

    @model_validator(mode="after")
    def _gate_has_a_baseline(self) -> Self:
        if self.gate and not self.baseline:
            raise ValueError("a gate looks at what is new: name a baseline too")
        return self

    def scope(self) -> dict[str, list[str]]:
        """What a repository is looked at for: two analyses can be compared when it is the same."""
        part = {name: sorted(getattr(self, name)) for name in ("paths", "exclude", "languages")}
        return {**part, "layers": [" ".join(sorted(each)) for each in self.layers]} if self.layers else part

    @field_validator("layers")
    @classmethod
    def _each_once(cls, layers: tuple[tuple[str, ...], ...] | None) -> tuple[tuple[str, ...], ...] | None:
        named = [module for layer in layers or () for module in layer]
        for module in named:
            if named.count(module) > 1:
                raise ValueError(f"{module!r} stands in two places: a module has one layer")
        return layers

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for language in languages:
            if language.lower() not in LANGUAGE_NAMES:
                raise ValueError(f"{language[:80]!r} is not a language that is known here")
        return tuple(LANGUAGE_NAMES[language.lower()] for language in languages)

"""What a job's `config` may say about an analysis. The CRD checks it first; what slips through ends Permanent."""

from typing import Annotated

from pydantic import Field, field_validator

from forge_kinds.analysis.languages import LANGUAGE_NAMES
from forge_runner.sources.selection import MAX_PATTERNS, Pattern, Selection


class AnalysisConfig(Selection):
    """Which part of the repository is analysed; all of it when nothing is said."""

    languages: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Names as in the result, in any case (`Python`); secrets are looked for in all files whatever this says."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for language in languages:
            if language.lower() not in LANGUAGE_NAMES:
                raise ValueError(f"{language[:80]!r} is not a language that is known here")
        return tuple(LANGUAGE_NAMES[language.lower()] for language in languages)

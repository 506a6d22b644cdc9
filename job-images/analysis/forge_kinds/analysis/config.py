"""What a job's `config` may say about an analysis. The CRD checks it first; what slips through ends Permanent."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from forge_kinds.analysis.languages import LANGUAGE_NAMES
from forge_runner.config import Config

MAX_PATTERNS: Final = 50
Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class AnalysisConfig(Config):
    """Which part of the repository is analysed; all of it when nothing is said."""

    paths: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Folders or files to include, relative to the repository's root."""
    exclude: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Globs to leave out; `*` also crosses `/`, as in `docs/*` or `*.pyi`."""
    languages: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Names as in the result, in any case (`Python`); secrets are looked for in all files whatever this says."""

    @field_validator("paths")
    @classmethod
    def _inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if path.startswith("/") or ".." in path.split("/") or "\0" in path:
                raise ValueError(f"{path[:80]!r} must be a path inside the repository, without a leading / or ..")
        return tuple(path.removeprefix("./").strip("/") for path in paths)

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for language in languages:
            if language.lower() not in LANGUAGE_NAMES:
                raise ValueError(f"{language[:80]!r} is not a language that is known here")
        return tuple(LANGUAGE_NAMES[language.lower()] for language in languages)

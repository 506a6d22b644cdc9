"""Which part of a repository a job is about: the fields `paths` and `exclude` of every kind that works on source."""

from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import Field, field_validator

from forge_runner.config import Config

MAX_PATTERNS: Final = 50
Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class Selection(Config):
    """All of the repository when nothing is said."""

    paths: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Folders or files to include, relative to the repository's root."""
    exclude: Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Globs to leave out; `*` also crosses `/`, as in `docs/*` or `*.pyi`."""

    @field_validator("paths")
    @classmethod
    def _inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if path.startswith("/") or ".." in path.split("/") or "\0" in path:
                raise ValueError(f"{path[:80]!r} must be a path inside the repository, without a leading / or ..")
        return tuple(path.removeprefix("./").strip("/") for path in paths)

    def takes(self, path: str) -> bool:
        """Whether a file is asked for."""
        if self.paths and not any(
            path == wanted or path.startswith(f"{wanted}/") or not wanted for wanted in self.paths
        ):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in self.exclude)


def display(raw: bytes) -> str:
    """A path as text that every encoding downstream can carry."""
    return raw.decode(errors="backslashreplace")

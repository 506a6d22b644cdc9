"""ruff, obeying nothing of the repository, and the rules whose findings count; for kinds whose image has it."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from forge_runner.report import Transient
from forge_runner.sources.bounded import output

SELECT: Final = (
    "F", "E711", "E712", "E713", "E714", "E721", "E722", "E731", "E741", "W605",
    "B", "BLE", "PLE", "PLR0124", "PLR0133", "PLR0206", "PLR0911", "PLR0913", "PLR1704", "PLR1711", "PLW",
    "ASYNC", "LOG", "DTZ", "T10", "PIE790", "PIE794", "PIE796", "PERF", "C416", "C417", "INT", "YTT",
    "SIM102", "SIM103", "SIM107", "SIM110", "SIM114", "SIM115", "SIM117", "SIM118", "SIM2",
    "RET501", "RET502", "RET503",
    "RUF006", "RUF008", "RUF009", "RUF012", "RUF013", "RUF016", "RUF018", "RUF024", "RUF032", "RUF033", "RUF034",
    "TRY002", "TRY201", "TRY203", "TRY400", "ERA001", "PGH",
    "S1", "S2", "S3", "S5", "S6", "S7",
)  # fmt: skip
# Asserts and calls of programs are no risk by themselves; hard-coded passwords are the secret detectors' matter, in
# every language; the rest reports what most code does on purpose.
IGNORE: Final = ("S101", "S105", "S106", "S107", "S603", "S606", "S607", "PLW2901", "PLW0603", "B904", "B905", "PGH003")

CHECK: Final = (
    "check", "--isolated", "--no-cache", "--exit-zero", "--quiet", "--no-respect-gitignore", "--no-force-exclude",
    "--no-preview", "--config", "lint.pylint.max-args=7", "--config", "lint.pylint.max-returns=8",
)  # fmt: skip
"""What every check begins with: no configuration file is read, and no exclusion holds, for every file is named."""

BATCH_FILES: Final = 64
BATCH_BYTES: Final = 2 * 1024 * 1024
BATCH_CPU_SECONDS: Final = 8
FILE_CPU_SECONDS: Final = 4
"""A batch takes about 0.1 s; some nestings take a parser for ever."""
_MAX_ARGUMENTS: Final = 256 * 1024


class Named(Protocol):
    """A file as far as batches care."""

    @property
    def raw(self) -> bytes:
        """Its path."""
        ...

    @property
    def size(self) -> int:
        """Its bytes."""
        ...


F = TypeVar("F", bound=Named)


@cache
def ruff_binary() -> str:
    """ruff's own executable, of this Python's installation."""
    return str(find_ruff_bin())


def ruff(arguments: Sequence[str], folder: Path, cpu_seconds: int) -> str | None:
    """What ruff prints, None when it crashed, took too long or printed too much. `folder` is neutral."""
    environment = {"RAYON_NUM_THREADS": "1", "RUFF_NO_CACHE": "true"}
    printed = output((ruff_binary(), *arguments), folder, cpu_seconds, environment=environment)
    return printed[0].decode(errors="replace") if printed is not None and printed[1] == 0 else None


def catalogue(folder: Path) -> list[dict[str, Any]]:
    """ruff's description of all its rules."""
    text = ruff(("rule", "--all", "--output-format", "json"), folder, BATCH_CPU_SECONDS)
    if text is None:
        raise Transient("The linter could not be started: it ended without an answer.")
    return list(json.loads(text))


def batches(files: Sequence[F]) -> Iterator[tuple[F, ...]]:
    """As many files as one call takes."""
    batch: list[F] = []
    size = names = 0
    for file in files:
        if batch and (len(batch) == BATCH_FILES or size + file.size > BATCH_BYTES or names > _MAX_ARGUMENTS):
            yield tuple(batch)
            batch, size, names = [], 0, 0
        batch.append(file)
        size += file.size
        names += len(file.raw) + 100
    if batch:
        yield tuple(batch)

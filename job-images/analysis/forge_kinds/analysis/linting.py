"""Lints Python files with ruff, in batches; a file that kills ruff is found by linting its batch one by one.

Nothing of the repository is obeyed: no configuration file is read (`--isolated`), no exclusion holds (every file is
named), no `# noqa` either. Whether a `# noqa` on a line is taken into account is decided afterwards (suppressing.py).
"""

import hashlib
import json
import os
import re
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from forge_kinds.analysis.cpus import ADDRESS_SPACE, PATIENCE
from forge_kinds.analysis.crew import MAX_BROKEN, bare_environment
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.rules import IGNORE, SELECT
from forge_runner.report import Transient

BATCH_FILES: Final = 64
BATCH_BYTES: Final = 2 * 1024 * 1024
BATCH_CPU_SECONDS: Final = 8
FILE_CPU_SECONDS: Final = 4
"""A batch takes about 0.1 s; some nestings take a parser for ever."""
MAX_OUTPUT: Final = 64 * 1024 * 1024
MAX_ARGUMENTS: Final = 256 * 1024

_OPTIONS: Final = (
    "check", "--isolated", "--no-cache", "--no-fix", "--exit-zero", "--quiet", "--ignore-noqa",
    "--no-respect-gitignore", "--no-force-exclude", "--no-preview", "--target-version", "py314",
    "--output-format", "json-lines",
    "--select", ",".join(SELECT), "--ignore", ",".join(IGNORE),
    "--config", "lint.pylint.max-args=7", "--config", "lint.pylint.max-returns=8",
)  # fmt: skip
_PLAIN: Final = re.compile(rb"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Raw:
    """One of ruff's diagnostics. `code` is "invalid-syntax" when the file can't be parsed there."""

    code: str
    line: int
    column: int
    end_line: int
    noqa_line: int
    message: str


Done = Callable[[SourceFile], None]


@cache
def ruff_binary() -> str:
    """ruff's own executable, of this Python's installation."""
    return str(find_ruff_bin())


def catalogue(folder: Path) -> list[dict[str, Any]]:
    """ruff's description of all its rules."""
    text = _ruff(("rule", "--all", "--output-format", "json"), folder, BATCH_CPU_SECONDS)
    if text is None:
        raise Transient("The linter could not be started: it ended without an answer.")
    return list(json.loads(text))


def lint_all(files: Sequence[SourceFile], linter: "Linter", workers: int = 1) -> Mapping[str, list[Raw]]:
    """path -> diagnostics, in ruff's order."""
    found: dict[str, list[Raw]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(linter.batch, _batches(files)):
            found.update(part)
    return found


def _batches(files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, ...]]:
    batch: list[SourceFile] = []
    size = names = 0
    for file in files:
        if batch and (len(batch) == BATCH_FILES or size + file.size > BATCH_BYTES or names > MAX_ARGUMENTS):
            yield tuple(batch)
            batch, size, names = [], 0, 0
        batch.append(file)
        size += file.size
        names += len(file.raw) + 100
    if batch:
        yield tuple(batch)


class Linter:
    """Lints batches. `folder` is neutral and writable; `done` is called as each file finishes."""

    def __init__(self, root: Path, folder: Path, notes: Notes, done: Done) -> None:
        self._root = os.fsencode(root)
        self._folder = folder
        self._notes = notes
        self._done = done
        self._broken = 0

    def batch(self, files: Sequence[SourceFile]) -> dict[str, list[Raw]]:
        """Lint these files together; when ruff fails on them, each alone."""
        found = self._attempt(files, BATCH_CPU_SECONDS)
        if found is None:
            found = {path: raws for file in files for path, raws in self._alone(file).items()}
        for file in files:
            self._done(file)
        return found

    def _alone(self, file: SourceFile) -> dict[str, list[Raw]]:
        found = self._attempt([file], FILE_CPU_SECONDS) if self._broken < MAX_BROKEN else None
        if found is None:
            self._broken += 1
            self._notes.add(Note.BROKE_TOOL, file.path)
        return found or {}

    def _attempt(self, files: Sequence[SourceFile], cpu_seconds: int) -> dict[str, list[Raw]] | None:
        named = {self._name(file): file for file in files}
        output = _ruff((*_OPTIONS, "--", *named), self._folder, cpu_seconds)
        if output is None:
            return None
        found: dict[str, list[Raw]] = {}
        for line in output.splitlines():
            diagnostic = json.loads(line)
            file = named.get(diagnostic["filename"])
            if file:
                found.setdefault(file.path, []).append(_raw(diagnostic))
        return found

    def _name(self, file: SourceFile) -> str:
        """A name that ruff gives back as it got it: a name with odd bytes is lent a plain one by a hard link."""
        real = self._root + b"/" + file.raw
        if _PLAIN.fullmatch(real):
            return real.decode()
        plain = self._folder / "odd" / f"{hashlib.sha256(file.raw).hexdigest()[:32]}{Path(file.path).suffix}"
        plain.parent.mkdir(exist_ok=True)
        try:
            os.link(real, plain, follow_symlinks=False)
        except FileExistsError:
            pass
        except OSError:
            self._notes.add(Note.MISSING, file.path)
        return str(plain)


def _raw(diagnostic: Mapping[str, Any]) -> Raw:
    start, end = diagnostic.get("location") or {}, diagnostic.get("end_location") or {}
    line = int(start.get("row", 1))
    return Raw(
        str(diagnostic.get("code") or "invalid-syntax"),
        line,
        int(start.get("column", 1)),
        int(end.get("row", line)),
        int(diagnostic.get("noqa_row") or line),
        str(diagnostic["message"]),
    )


def _ruff(arguments: Sequence[str], folder: Path, cpu_seconds: int) -> str | None:
    """What ruff prints, None when it crashed, took too long or printed too much."""
    try:
        child = subprocess.Popen(
            [ruff_binary(), *arguments],
            cwd=folder,
            env={**bare_environment(), "RAYON_NUM_THREADS": "1", "RUFF_NO_CACHE": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise Transient(f"The linter could not be started: {error.strerror}.") from None
    with child:
        _limit(child.pid, cpu_seconds)
        clock = threading.Timer(cpu_seconds * PATIENCE, child.kill)
        clock.start()
        try:
            output = _bounded(child.stdout)
        finally:
            clock.cancel()
        if output is None:
            child.kill()
    return output.decode(errors="replace") if output is not None and child.returncode == 0 else None


def _limit(pid: int, cpu_seconds: int) -> None:
    limits = ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CORE, 0))
    with suppress(ProcessLookupError):  # it has ended already
        for kind, limit in limits:
            resource.prlimit(pid, kind, (limit, limit))


def _bounded(stream: IO[bytes] | None) -> bytes | None:
    if stream is None:
        return None
    output = stream.read(MAX_OUTPUT + 1)
    return output if len(output) <= MAX_OUTPUT else None

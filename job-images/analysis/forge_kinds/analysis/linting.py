"""Lints Python files with ruff, in batches; a file that kills ruff is found by linting its batch one by one.

Nothing of the repository is obeyed: no configuration file is read (`--isolated`), no exclusion holds (every file is
named), no `# noqa` either. Whether a `# noqa` on a line is taken into account is decided afterwards (suppressing.py).
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forge_kinds.analysis.crew import MAX_BROKEN
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.notes import Note
from forge_runner.sources.ruff import BATCH_CPU_SECONDS, CHECK, FILE_CPU_SECONDS, IGNORE, SELECT, batches, ruff

_OPTIONS: Final = (
    *CHECK, "--no-fix", "--ignore-noqa", "--target-version", "py314", "--output-format", "json-lines",
    "--select", ",".join(SELECT), "--ignore", ",".join(IGNORE),
)  # fmt: skip
_ODD: Final = "odd-names"
"""No name that a module can have: ruff would take it for one of the repository's."""
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
Trouble = Callable[[SourceFile, Note], None]


def lint_all(files: Sequence[SourceFile], linter: "Linter", workers: int = 1) -> Mapping[SourceFile, list[Raw]]:
    """Diagnostics by file, in ruff's order."""
    found: dict[SourceFile, list[Raw]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(linter.batch, batches(files)):
            found.update(part)
    return found


class Linter:
    """Lints batches. `folder` is neutral and writable; `done` is called as each file finishes.

    `trouble` is told why a file could not be linted.
    """

    def __init__(self, root: Path, folder: Path, trouble: Trouble, done: Done) -> None:
        self._root = os.fsencode(root)
        self._folder = folder
        self._trouble = trouble
        self._done = done
        self._broken = 0

    def batch(self, files: Sequence[SourceFile]) -> dict[SourceFile, list[Raw]]:
        """Lint these files together; when ruff fails on them, each alone."""
        found = self._attempt(files, BATCH_CPU_SECONDS)
        if found is None:
            found = {each: raws for file in files for each, raws in self._alone(file).items()}
        for file in files:
            self._done(file)
        return found

    def _alone(self, file: SourceFile) -> dict[SourceFile, list[Raw]]:
        found = self._attempt([file], FILE_CPU_SECONDS) if self._broken < MAX_BROKEN else None
        if found is None:
            self._broken += 1
            self._trouble(file, Note.BROKE_TOOL)
        return found or {}

    def _attempt(self, files: Sequence[SourceFile], cpu_seconds: int) -> dict[SourceFile, list[Raw]] | None:
        named = {self._name(file): file for file in files}
        output = ruff((*_OPTIONS, "--", *named), self._folder, cpu_seconds)
        if output is None:
            return None
        found: dict[SourceFile, list[Raw]] = {}
        for line in output.splitlines():
            diagnostic = json.loads(line)
            file = named.get(diagnostic["filename"])
            if file:
                found.setdefault(file, []).append(_raw(diagnostic))
        return found

    def _name(self, file: SourceFile) -> str:
        """A name that ruff gives back as it got it: a name with odd bytes is lent a plain one by a hard link."""
        real = self._root + b"/" + file.raw
        if _PLAIN.fullmatch(real):
            return real.decode()
        plain = self._folder / _ODD / f"{hashlib.sha256(file.raw).hexdigest()[:32]}{Path(file.path).suffix}"
        plain.parent.mkdir(exist_ok=True)
        try:
            os.link(real, plain, follow_symlinks=False)
        except FileExistsError:
            pass
        except OSError:
            self._trouble(file, Note.MISSING)
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

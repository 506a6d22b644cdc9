"""Which of a commit's files may be changed, decided from its tree alone, before any of them is written."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from forge_kinds.refactoring.config import RefactoringConfig
from forge_kinds.refactoring.notes import Note, Notes
from forge_runner.sources.foreign import generated, vendored
from forge_runner.sources.selection import display
from forge_runner.workspace.tree import Entry, EntryKind

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 20_000
MAX_FIRST_PARTY: Final = 500

_PYTHON: Final = (b".py", b".pyi")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One Python file. `raw` is its name on disk, `path` the same as text."""

    raw: bytes
    path: str
    size: int


def plan(entries: Iterable[Entry], config: RefactoringConfig, notes: Notes) -> tuple[SourceFile, ...]:
    """The files that may be changed, in order of path; what is left out is noted."""
    chosen: list[SourceFile] = []
    for entry in entries:
        path = display(entry.path)
        if not entry.path.endswith(_PYTHON) or not config.takes(path):
            continue
        note = _refused(entry, path)
        if note is None and len(chosen) == MAX_FILES:
            note = Note.TOO_MANY
        if note is None:
            chosen.append(SourceFile(entry.path, path, entry.size))
        else:
            notes.add(note, path)
    return tuple(chosen)


def _refused(entry: Entry, path: str) -> Note | None:
    if entry.kind is not EntryKind.FILE:
        return Note.SYMLINK if entry.kind is EntryKind.SYMLINK else Note.SUBMODULE
    if path.encode(errors="replace") != entry.path:
        return Note.ODD_NAME
    if entry.size > MAX_FILE_BYTES:
        return Note.TOO_LARGE
    if vendored(path):
        return Note.VENDORED
    return Note.GENERATED if generated(path) else None


def first_party(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The repository's own top-level modules, below its root or `src`, as its sorted imports must tell them apart.

    From the tree and not from the disk, where only the files that are asked for are written.
    """
    found: set[str] = set()
    for entry in entries:
        if entry.kind is EntryKind.FILE and entry.path.endswith(_PYTHON):
            parts = display(entry.path).split("/")
            inner = parts[1:] if parts[0] == "src" and len(parts) > 1 else parts
            found.update(each[0] if len(each) > 1 else each[0].partition(".")[0] for each in (parts, inner))
    return tuple(sorted(name for name in found if name.isidentifier() and name not in sys.stdlib_module_names))[
        :MAX_FIRST_PARTY
    ]

"""What is known of one file by itself. All that a result tells is made of these, file by file and across files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forge_kinds.analysis.collecting import SYNTAX_CODES
from forge_kinds.analysis.findings import Finding
from forge_kinds.analysis.linting import Raw
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note

_PASSING: Final = frozenset({Note.BROKE_TOOL, Note.MISSING})
"""What is so on this machine at this moment, and may be otherwise the next time."""


@dataclass(frozen=True)
class Examined:
    """It follows from the file (inventory.SourceFile) and the rules alone, unless `passing`."""

    measured: Measured
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]

    @property
    def broke_a_tool(self) -> bool:
        """Whether an analyser crashed on it, took too long, or was given up before."""
        return Note.BROKE_TOOL in self.notes

    @property
    def passing(self) -> bool:
        """Whether another look at the same file may find something else."""
        return not _PASSING.isdisjoint(self.notes)


def notes_on(measured: Measured, raws: Sequence[Raw], troubles: Sequence[Note]) -> tuple[Note, ...]:
    """What a reader must know of a file: by what was measured, what was linted, and what went wrong with that."""
    notes = {Note(note) for note in measured.notes} | {*troubles}
    if any(raw.code in SYNTAX_CODES for raw in raws) and Note.NOT_UTF8 not in notes:
        notes.add(Note.UNPARSABLE)
    return tuple(sorted(notes))

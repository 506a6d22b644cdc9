"""extract: functions over a complexity limit are split by the process that reads files; what it made is judged here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forge_kinds.refactoring.asking import Asker
from forge_kinds.refactoring.changes import Change, Done, Dropped
from forge_kinds.refactoring.config import Operation
from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.judging import disfigured, objection
from forge_kinds.refactoring.linting import Linter
from forge_kinds.refactoring.notes import Note, Notes


@dataclass(frozen=True)
class Extractor:
    """Works on batches of files, from any thread."""

    limit: int
    asker: Asker
    linter: Linter
    notes: Notes

    @property
    def rule(self) -> str:
        """What its changes are listed under."""
        return f"complexity-over-{self.limit}"

    def batch(self, files: Sequence[SourceFile]) -> list[Done]:
        """Split what may be split; each file comes out whole or as it was."""
        answers = self.asker.ask(files, {"ask": "extract", "limit": self.limit}, lambda _file: None)
        done = []
        for file in files:
            answer = answers.get(file.path)
            if answer is None:
                self.notes.add(Note.BROKE_TOOL, file.path)
            elif "failed" in answer:
                self.notes.add(Note.UNPARSABLE, file.path)
            else:
                done.append(self._one(file, answer))
        return done

    def _one(self, file: SourceFile, answer: dict[str, Any]) -> Done:
        made = tuple(sorted(self._change(file, step) for step in answer["made"]))
        left = [Dropped(self._change(file, [step[0], step[1], "Over the limit"]), step[2]) for step in answer["left"]]
        if not made:
            return Done(file.path, dropped=tuple(left))
        before = self.asker.tree.read(file) or b""
        why = self._written(file, before, answer["text"].encode())
        if not why:
            return Done(file.path, made, tuple(left))
        self.asker.tree.write(file, before)
        return Done(file.path, dropped=(*left, *(Dropped(each, why) for each in made)))

    def _written(self, file: SourceFile, before: bytes, after: bytes) -> str:
        """Write the file; what speaks against it, "" when nothing does."""
        old = self.linter.standings([file])
        self.asker.tree.write(file, after)
        new = self.linter.standings([file])
        if old is None or new is None:
            return "ruff crashed or took too long on the change."
        return objection(old[file.path], new[file.path]) or disfigured(before, after)

    def _change(self, file: SourceFile, step: Sequence[Any]) -> Change:
        return Change(file.path, int(step[0]), Operation.EXTRACT, self.rule, str(step[2])[:500])

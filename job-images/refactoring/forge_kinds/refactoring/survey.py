"""How the files stand: findings and complexity, before anything is changed and after."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from forge_kinds.refactoring.asking import Asker
from forge_kinds.refactoring.complexity import Function
from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.linting import Linter, Standing
from forge_kinds.refactoring.notes import Note, Notes
from forge_runner.sources.ruff import batches

Count = Callable[[int], None]
"""Called with a number of files as they are done."""


@dataclass(frozen=True)
class Survey:
    """By path. A file that can't be worked on is in neither."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    functions: Mapping[str, list[Function]] = field(default_factory=dict)

    def with_changed(self, later: "Survey") -> "Survey":
        """The same files, where `later` knows better."""
        return Survey({**self.standings, **later.standings}, {**self.functions, **later.functions})

    def without(self, paths: Collection[str]) -> "Survey":
        """All other files."""
        return Survey(
            {path: standing for path, standing in self.standings.items() if path not in paths},
            {path: functions for path, functions in self.functions.items() if path not in paths},
        )

    def findings(self) -> int:
        """In all files."""
        return sum(standing.total for standing in self.standings.values())


@dataclass(frozen=True)
class Surveyor:
    """Looks at files with all CPUs."""

    linter: Linter
    asker: Asker
    notes: Notes
    cpus: int

    def survey(self, files: Sequence[SourceFile], count: Count) -> Survey:
        """How these files stand; why one can't be worked on is noted."""
        standings: dict[str, Standing] = {}
        functions: dict[str, list[Function]] = {}
        with ThreadPoolExecutor(self.cpus) as pool:
            for found, hard in pool.map(lambda batch: self._batch(batch, count), batches(files)):
                standings |= found
                functions |= hard
        return Survey(standings, functions)

    def _batch(
        self, files: Sequence[SourceFile], count: Count
    ) -> tuple[dict[str, Standing], dict[str, list[Function]]]:
        standings = self._standings([file for file in files if self._readable(file)])
        parsed = [file for file in files if file.path in standings]
        answers = self.asker.ask(parsed, {"ask": "measure"}, lambda _file: None)
        count(len(files))
        return standings, {path: _functions(answer) for path, answer in answers.items() if "functions" in answer}

    def _readable(self, file: SourceFile) -> bool:
        body = self.linter.tree.read(file)
        if body is None:
            self.notes.add(Note.MISSING, file.path)
            return False
        try:
            body.decode()
        except UnicodeDecodeError:
            self.notes.add(Note.NOT_UTF8, file.path)
            return False
        return True

    def _standings(self, files: Sequence[SourceFile]) -> dict[str, Standing]:
        found = self.linter.standings(files) if files else {}
        if found is None and len(files) > 1:
            return {path: standing for file in files for path, standing in self._standings([file]).items()}
        if found is None:
            self.notes.add(Note.BROKE_TOOL, files[0].path)
            return {}
        for path, standing in found.items():
            if not standing.parses:
                self.notes.add(Note.UNPARSABLE, path)
        return {path: standing for path, standing in found.items() if standing.parses}


def _functions(answer: Mapping[str, Any]) -> list[Function]:
    return [Function(str(name), int(line), int(complexity)) for name, line, complexity in answer["functions"]]

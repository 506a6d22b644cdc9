"""Asks a process about files, a request a line; a file that ends the process is known by its missing answer."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.tree import Tree
from forge_runner.sources.bounded import output

FILE_CPU_SECONDS: Final = 20
"""What a file may take; a megabyte of code takes about four."""
BATCH_CPU_SECONDS: Final = 600
MAX_BROKEN: Final = 20
"""Files that may end a process; when there are more, the rest is given up."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """Starts a process for each batch, from a neutral folder and with none of the repository on its path."""

    tree: Tree
    folder: Path

    def ask(
        self, files: Sequence[SourceFile], question: Mapping[str, Any], done: Callable[[SourceFile], None]
    ) -> dict[str, Answer]:
        """path -> answer, of those files that could be answered; `done` is called for each of all files."""
        answers: dict[str, Answer] = {}
        waiting, broken = list(files), 0
        while waiting and broken <= MAX_BROKEN:
            found = self._batch(waiting, question)
            for file, answer in zip(waiting, found, strict=False):
                answers[file.path] = answer
                done(file)
            culprit = waiting[len(found) :][:1]
            broken += len(culprit)
            for file in culprit:
                done(file)
            waiting = waiting[len(found) + 1 :]
        for file in waiting:
            done(file)
        return answers

    def _batch(self, files: Sequence[SourceFile], question: Mapping[str, Any]) -> list[Answer]:
        requests = [json.dumps({**question, "file": self.tree.name(file), "path": file.path}) for file in files]
        command = [sys.executable, "-P", "-m", "forge_kinds.refactoring.reading"]
        printed = output(command, self.folder, BATCH_CPU_SECONDS, stdin="".join(f"{r}\n" for r in requests).encode())
        lines = printed[0].split(b"\n")[:-1] if printed else []
        return [json.loads(line) for line in lines]

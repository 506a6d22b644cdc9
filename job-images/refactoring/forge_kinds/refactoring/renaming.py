"""rename: a name of a module, wherever the repository uses it. All of it is done, or nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forge_kinds.refactoring.asking import Answer, Asker
from forge_kinds.refactoring.changes import Change, Done, Dropped
from forge_kinds.refactoring.config import Operation, Rename
from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.judging import disfigured
from forge_runner.report import Permanent

MAX_ROUNDS: Final = 20
MAX_LEFT: Final = 1_000
_LEFT: Final = "Not known for certain to mean the symbol (a string, a comment, an attribute, another name): look at it."


@dataclass(frozen=True)
class Renamer:
    """One renaming over all of the repository's own Python files, those that may not change included."""

    rename: Rename
    asker: Asker
    files: Sequence[SourceFile]
    may_change: frozenset[str]
    _bodies: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> list[Done]:
        """Rename. Raises Permanent with what stands in the way."""
        where, _, old = self.rename.symbol.rpartition(".")
        concerned = self._concerned(old)
        modules = modules_of(self.files)
        if where not in modules.values():
            raise Permanent(
                f"config.rename.symbol: the repository has no module {where}. "
                "Only a name of a module can be renamed: which objects carry an attribute isn't known before it runs."
            )
        if f"{where}.{self.rename.to}" in modules.values():
            raise Permanent(f"config.rename.to: {where} has a module of that name.")
        answers = self._settled(concerned, modules, old)
        home = [answers[file.path] for file in concerned if modules[file.path] == where]
        if not any(answer.get("binds") for answer in home):
            raise Permanent(f"config.rename.symbol: {where} does not define {old}; name it where it is defined.")
        return self._written(concerned, answers, old)

    def _concerned(self, old: str) -> list[SourceFile]:
        word = re.compile(rb"(?<!\w)" + re.escape(old.encode()) + rb"(?!\w)")
        for file in self.files:
            body = self.asker.tree.read(file)
            if body is not None and word.search(body):
                self._bodies[file.path] = body
        return [file for file in self.files if file.path in self._bodies]

    def _settled(self, files: Sequence[SourceFile], modules: Mapping[str, str], old: str) -> dict[str, Answer]:
        """Ask until no further module turns out to offer the symbol under its own name."""
        symbols = {self.rename.symbol}
        for _ in range(MAX_ROUNDS):
            question = {
                "ask": "rename",
                "symbols": sorted(symbols),
                "old": old,
                "new": self.rename.to,
                "modules": dict(modules),
            }
            answers = self.asker.ask(files, question, lambda _file: None)
            for file in files:
                _check(file, answers.get(file.path))
            found = {f"{modules[path]}.{old}" for path, answer in answers.items() if answer["exports"]}
            if found <= symbols:
                return answers
            symbols |= found
        raise Permanent("config.rename.symbol: it is imported from module to module in too long a row.")

    def _written(self, files: Sequence[SourceFile], answers: Mapping[str, Answer], old: str) -> list[Done]:
        changed = [file for file in files if answers[file.path]["lines"]]
        for file in changed:
            after = answers[file.path]["text"].encode()
            if why := disfigured(self._bodies[file.path], after):
                raise Permanent(f"config.rename: {file.path[:200]}: {why}")
            if file.path not in self.may_change:
                raise Permanent(
                    f"config.rename: {file.path[:200]} uses the symbol and is not among the files that may change; "
                    "look at config.paths and config.exclude."
                )
        for file in changed:
            self.asker.tree.write(file, answers[file.path]["text"].encode())
        left = 0
        done = []
        for file in files:
            answer = answers[file.path]
            dropped = [Dropped(self._change(file, line, "The word stands here"), _LEFT) for line in answer["left"]]
            dropped = dropped[: max(0, MAX_LEFT - left)]
            left += len(dropped)
            reason = f"{old} is renamed to {self.rename.to}"
            changes = [self._change(file, line, reason) for line in answer["lines"]]
            done.append(Done(file.path, tuple(changes), tuple(dropped)))
        return done

    def _change(self, file: SourceFile, line: int, reason: str) -> Change:
        return Change(file.path, line, Operation.RENAME, self.rename.symbol, reason)


def _check(file: SourceFile, answer: Mapping[str, Any] | None) -> None:
    if answer is None or "failed" in answer:
        raise Permanent(f"config.rename: {file.path[:200]} holds the word and can't be read, so it can't be proved.")
    if "unsure" in answer:
        raise Permanent(f"config.rename: {file.path[:200]}, line {answer['line']}: {answer['unsure']}.")


def modules_of(files: Sequence[SourceFile]) -> dict[str, str]:
    """path -> the module's dotted name: from the outermost folder in a row of packages, else from the root or `src`."""
    packages = {file.path.rpartition("/")[0] for file in files if file.path.rpartition("/")[2] == "__init__.py"}
    return {file.path: _module(file.path, packages) for file in files}


def _module(path: str, packages: set[str]) -> str:
    parts = path.removesuffix(".pyi").removesuffix(".py").split("/")
    first = len(parts) - 1
    while first > 0 and "/".join(parts[:first]) in packages:
        first -= 1
    if first == len(parts) - 1:
        first = 1 if parts[0] == "src" and len(parts) > 1 else 0
    return ".".join(part for part in parts[first:] if part != "__init__" or len(parts) == 1)

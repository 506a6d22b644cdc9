"""What one job holds while it is done: the commit, the sandbox, the time, and what was seen so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from forge_kinds.test_generation.answers import Run
from forge_kinds.test_generation.asking import Asker
from forge_kinds.test_generation.budgeting import Budget
from forge_kinds.test_generation.composing import composed, folder_for, path_for
from forge_kinds.test_generation.covered import Item, Items, Whole
from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.notes import Notes
from forge_kinds.test_generation.splitting import Dropped, Test, TestKind
from forge_runner.report import Report
from forge_runner.sources.selection import display
from forge_runner.workspace import Checkout
from forge_runner.workspace.tree import EntryKind

MAX_LOG_BYTES: Final = 1024 * 1024


@dataclass
class Log:
    """`generation.log`: what was done and seen, as lines; what a repository said is in it, made harmless."""

    report: Report
    body: bytearray = field(default_factory=bytearray)

    def say(self, line: str) -> None:
        """One line, which the job's own log has too."""
        text = "".join(letter if letter.isprintable() else "?" for letter in line)[:2000]
        self.report.log(text)
        if len(self.body) < MAX_LOG_BYTES:
            self.body += f"{text}\n".encode(errors="replace")


@dataclass(frozen=True)
class Job:
    """What the steps share and none of them changes."""

    checkout: Checkout
    asker: Asker
    budget: Budget
    modules: Sequence[Module]
    """Those that can be imported, in the order in which they are wanted."""
    notes: Notes
    log: Log
    folder: Path
    """The runner's own, for programs that parse."""

    @property
    def sources(self) -> list[str]:
        """Paths of the modules."""
        return [module.path for module in self.modules]

    def path_for(self, module: Module, kind: TestKind) -> str:
        """The file that a module's tests of a kind go into: no two have the same."""
        return self._paths[module, kind]

    @cached_property
    def _paths(self) -> Mapping[tuple[Module, TestKind], str]:
        files = [display(each.path) for each in self.checkout.entries if each.kind is EntryKind.FILE]
        others = [display(each.path) for each in self.checkout.entries if each.kind is not EntryKind.FILE]
        folder, taken = folder_for(files, others), {*files, *others}
        found = {}
        for module in sorted(self.modules, key=lambda module: module.path):
            for kind in TestKind:
                found[module, kind] = path = path_for(module, kind, folder, taken)
                taken.add(path)
        return found


@dataclass
class Measured:
    """How the repository stands before anything is added."""

    whole: Whole
    before: Items
    own: Run | None = None
    """The run of the repository's own tests, None when there was none that told anything."""
    own_seconds: float = 0.0


@dataclass
class Standing:
    """What is covered by now, and the tests by module that do it."""

    covered: set[Item]
    kept: dict[Module, list[Test]] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)


def files_of(
    job: Job, kept: Mapping[Module, Sequence[Test]], adds: Mapping[Module, Mapping[str, Items]] = {}
) -> dict[str, bytes]:
    """Path -> text of the files that hold these tests."""
    files = {}
    for module, tests in kept.items():
        for kind in TestKind:
            of_kind = [test for test in tests if test.kind is kind]
            if of_kind:
                files[job.path_for(module, kind)] = composed(module, kind, of_kind, adds.get(module, {}))
    return files


def node_id(job: Job, module: Module, test: Test) -> str:
    """How pytest names it."""
    return f"{job.path_for(module, test.kind)}::{test.name}"

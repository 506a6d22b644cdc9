"""The refactoring of one commit, from its URL to its patch."""

import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_core.assignment import Sandbox as Terms
from forge_kinds.refactoring.asking import Asker
from forge_kinds.refactoring.bisecting import Found
from forge_kinds.refactoring.changes import Change, Done
from forge_kinds.refactoring.config import Operation, RefactoringConfig, Rename
from forge_kinds.refactoring.held import Held, Remade, rules_in, units_of
from forge_kinds.refactoring.inventory import SourceFile, plan
from forge_kinds.refactoring.judging import objection
from forge_kinds.refactoring.linting import Linter
from forge_kinds.refactoring.notes import Notes
from forge_kinds.refactoring.operating import Operations
from forge_kinds.refactoring.renaming import Renamer
from forge_kinds.refactoring.rulings import check_rules
from forge_kinds.refactoring.stages import CHANGING, PATCHING, READING, VERIFYING, Meter
from forge_kinds.refactoring.summary import LIST, PATCH, TESTS, Outcome, change_list, summary
from forge_kinds.refactoring.survey import Survey, Surveyor
from forge_kinds.refactoring.tree import Tree
from forge_kinds.refactoring.trying import Question, Tested, Trial, check_terms, tested
from forge_runner.kinds import Artifact, Result
from forge_runner.report import Permanent, Report
from forge_runner.sandbox import shared_volume
from forge_runner.sandboxed.installing import check_requirements
from forge_runner.sources.bounded import available_cpus
from forge_runner.sources.patching import Patch, patch_of
from forge_runner.sources.ruff import batches
from forge_runner.workspace import Checkout, fetch
from forge_runner.workspace.checkout import Options

Ask = Callable[[Question], Tested]
"""How the repository's tests are asked."""

TOOLS: Final = ("ruff", "complexipy", "libcst")


def refactor(
    assignment: Assignment,
    workdir: Path,
    report: Report,
    options: Options | None = None,
    volume: Path | None = None,
) -> Result:
    """Do the whole work of one attempt; `volume`: the sandbox's, left out the pod's. Raises Permanent, Transient."""
    deadline = time.monotonic() + assignment.timeout
    config = RefactoringConfig.read(assignment.config)
    if config.verify:
        check_terms(config.verify, assignment.sandbox)
    folder = Path(tempfile.mkdtemp(prefix="tools-", dir=workdir))
    try:
        check_rules(config, folder)
        checkout = fetch(assignment, workdir, report, options or Options())
        report.log(f"Fetched commit {checkout.commit}: {len(checkout.entries):,} entries")
        if config.verify:
            check_requirements(checkout, "config.verify.install", config.verify.install)
        work = _Refactoring.of(checkout, config, folder, report)

        def ask(question: Question) -> Tested:
            trial = Trial(checkout, question, report, deadline)
            return tested(trial, assignment.sandbox or Terms(), volume or shared_volume(), folder)

        return work.result(ask)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Refactoring:
    """What the steps share."""

    checkout: Checkout
    config: RefactoringConfig
    report: Report
    notes: Notes
    surveyor: Surveyor
    operations: Operations

    @classmethod
    def of(cls, checkout: Checkout, config: RefactoringConfig, folder: Path, report: Report) -> "_Refactoring":
        tree, notes = Tree(checkout.root), Notes()
        surveyor = Surveyor(Linter(tree, folder), Asker(tree, folder), notes, available_cpus())
        return cls(checkout, config, report, notes, surveyor, Operations(checkout, config, surveyor))

    def result(self, ask: Ask) -> Result:
        """Read, change, verify, ask the repository's tests if that is wanted, make the patch."""
        planned = plan(self.checkout.entries, self.config, self.notes)
        if not planned:
            raise Permanent("No Python file is among those asked for; look at config.paths and config.exclude.")
        self.checkout.write([file.raw for file in planned])
        before = self.surveyor.survey(planned, Meter(self.report, READING, len(planned)).done)
        files = [file for file in planned if file.path in before.standings]
        done = self._changed(files)
        changes = sorted(change for each in done for change in each.changes)
        dropped = sorted(drop for each in done for drop in each.dropped)
        touched = [file for file in files if file.path in {change.path for change in changes}]
        held = self._verified(touched, before)
        tests = self._tests([file for file in touched if file.path not in held.refused], changes, ask)
        held = self._heeded(tests, touched, before, held)
        patch = self._patch([file for file in touched if file.path not in held.refused])
        kept, undone = held.sorted_out(changes, patch)
        outcome = Outcome(
            self.checkout.commit, tuple(self.config.operations), before, held.after, kept,
            sorted([*dropped, *undone]), patch, self.notes, {tool: version(tool) for tool in TOOLS}, tests.document,
        )  # fmt: skip
        return self._told(outcome, tests.log)

    def _changed(self, files: Sequence[SourceFile]) -> list[Done]:
        operations = self.config.operations
        meter = Meter(self.report, CHANGING, len(files) * len(operations))
        done: list[Done] = []
        for operation in operations:
            meter.begin(operation)
            done += self._operated(operation, files, meter)
        return done

    def _operated(self, operation: Operation, files: Sequence[SourceFile], meter: Meter) -> list[Done]:
        if operation is Operation.RENAME and self.config.rename:
            done = self._renamed(self.config.rename, files)
            meter.done(len(files))
            return done
        work = self.operations.work(operation, self.notes)

        def batch(part: Sequence[SourceFile]) -> list[Done]:
            done = work(part)
            meter.done(len(part))
            return done

        with ThreadPoolExecutor(self.surveyor.cpus) as pool:
            return [done for part in pool.map(batch, batches(files)) for done in part]

    def _renamed(self, rename: Rename, files: Sequence[SourceFile]) -> list[Done]:
        """Over all of the repository's own files: what may not change is looked at too."""
        everywhere = self.config.model_copy(update={"paths": (), "exclude": ()})
        everything = plan(self.checkout.entries, everywhere, Notes())
        self.checkout.write([each.raw for each in everything])
        return Renamer(rename, self.surveyor.asker, everything, frozenset(file.path for file in files)).run()

    def _verified(self, touched: Sequence[SourceFile], before: Survey) -> Held:
        """How all files stand now, and why some had to be put back: the net under what the operations judged."""
        later = self.surveyor.survey(touched, Meter(self.report, VERIFYING, len(touched)).done)
        refused: dict[str, str] = {}
        for file in touched:
            after = later.standings.get(file.path)
            why = objection(before.standings[file.path], after) if after else "The file can no longer be read."
            if why:
                refused[file.path] = why
        if refused and self.config.rename:  # to put one file back would leave half of a renaming
            path, why = min(refused.items())
            raise Permanent(f"config.rename: {path[:200]}: {why} Nothing is renamed.")
        self.checkout.write([file.raw for file in touched if file.path in refused])
        return Held(before.with_changed(later.without(refused)), refused)

    def _tests(self, touched: Sequence[SourceFile], changes: Sequence[Change], ask: Ask) -> Tested:
        """What the repository's tests say of the changed files, as they are held here."""
        if self.config.verify is None or not touched:
            return Tested()
        files, tree = {file.path: file for file in touched}, self.surveyor.linter.tree

        def remade(path: str, without: Collection[str]) -> bytes:
            self.operations.remade(files[path], without)
            return tree.read(files[path]) or b""

        bodies = {path: (file.raw, tree.read(file) or b"") for path, file in files.items()}
        return ask(Question(self.config.verify, units_of(files, changes), bodies, rules_in(changes), remade))

    def _heeded(self, tests: Tested, touched: Sequence[SourceFile], before: Survey, held: Held) -> Held:
        """What the tests refused is put back, whole or in part."""
        self.checkout.write([file.raw for file in touched if file.path in tests.refused])
        partly = [file for file in touched if file.path in tests.partly]
        remade = {file.path: self._remade(file, tests.partly[file.path]) for file in partly}
        later = self.surveyor.survey(partly, lambda _count: None)
        after = before.with_changed(held.after.without(tests.refused)).with_changed(later)
        return Held(after, {**held.refused, **tests.refused}, remade)

    def _remade(self, file: SourceFile, found: Found[str]) -> Remade:
        left_out = dict(found.dropped)
        done = self.operations.remade(file, left_out)
        return Remade(tuple(change for each in done for change in each.changes), left_out)

    def _patch(self, touched: Sequence[SourceFile]) -> Patch:
        patch = patch_of(self.checkout, [file.raw for file in touched])
        Meter(self.report, PATCHING, len(touched)).done(len(touched))
        return patch

    def _told(self, outcome: Outcome, tests_log: bytes) -> Result:
        document = summary(outcome)
        self.report.log(document["message"])
        artifacts = [Artifact(LIST, "application/json", change_list(outcome))]
        if outcome.patch.files:
            artifacts.insert(0, Artifact(PATCH, "text/x-diff", outcome.patch.body))
        if tests_log:
            artifacts.append(Artifact(TESTS, "text/plain; charset=utf-8", tests_log))
        return Result(document, tuple(artifacts))

"""The refactoring of one commit, from its URL to its patch."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_core.assignment import Sandbox as Terms
from forge_core.names import SANDBOX_PATH
from forge_kinds.refactoring.asking import Asker
from forge_kinds.refactoring.changes import Change, Done, Dropped
from forge_kinds.refactoring.config import Operation, RefactoringConfig, Rename, Verify
from forge_kinds.refactoring.fixing import Fixer
from forge_kinds.refactoring.installing import check_requirements
from forge_kinds.refactoring.inventory import SourceFile, first_party, plan
from forge_kinds.refactoring.judging import objection
from forge_kinds.refactoring.linting import Linter
from forge_kinds.refactoring.moving import Extractor
from forge_kinds.refactoring.notes import Notes
from forge_kinds.refactoring.patching import Patch, patch_of
from forge_kinds.refactoring.renaming import Renamer
from forge_kinds.refactoring.rulings import check_rules, rules_of
from forge_kinds.refactoring.stages import CHANGING, PATCHING, READING, VERIFYING, Meter
from forge_kinds.refactoring.summary import LIST, PATCH, TESTS, Outcome, change_list, summary
from forge_kinds.refactoring.survey import Survey, Surveyor
from forge_kinds.refactoring.tree import Tree
from forge_kinds.refactoring.trying import Tested, Trial, Unit, check_terms, tested
from forge_runner.kinds import Artifact, Result
from forge_runner.report import Permanent, Report
from forge_runner.sources.bounded import available_cpus
from forge_runner.sources.ruff import batches
from forge_runner.workspace import Checkout, fetch
from forge_runner.workspace.checkout import Options

Ask = Callable[[Verify, Sequence[Unit], Mapping[str, tuple[bytes, bytes]]], Tested]
"""How the repository's tests are asked; see Trial."""

TOOLS: Final = ("ruff", "complexipy", "libcst")


def refactor(
    assignment: Assignment,
    workdir: Path,
    report: Report,
    options: Options | None = None,
    volume: Path = Path(SANDBOX_PATH),
) -> Result:
    """Do the whole work of one attempt; `volume` is what the sandbox shares. Raises Permanent or Transient."""
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
            check_requirements(checkout, config.verify.install)
        work = _Refactoring.of(checkout, config, folder, report)

        def ask(verify: Verify, units: Sequence[Unit], bodies: Mapping[str, tuple[bytes, bytes]]) -> Tested:
            trial = Trial(checkout, verify, units, bodies, report, deadline)
            return tested(trial, assignment.sandbox or Terms(), volume, folder)

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

    @classmethod
    def of(cls, checkout: Checkout, config: RefactoringConfig, folder: Path, report: Report) -> "_Refactoring":
        tree, notes = Tree(checkout.root), Notes()
        surveyor = Surveyor(Linter(tree, folder), Asker(tree, folder), notes, available_cpus())
        return cls(checkout, config, report, notes, surveyor)

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
        after, refused = self._verified(touched, before)
        tests = self._tests([file for file in touched if file.path not in refused], changes, ask)
        if tests.refused:
            self.checkout.write([file.raw for file in touched if file.path in tests.refused])
            after = before.with_changed(after.without(tests.refused))
            refused |= tests.refused
        patch = self._patch([file for file in touched if file.path not in refused])
        kept, undone = _sorted_out(changes, refused, patch)
        outcome = Outcome(
            self.checkout.commit, tuple(self.config.operations), before, after, kept, sorted([*dropped, *undone]),
            patch, self.notes, {tool: version(tool) for tool in TOOLS}, tests.document,
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
        work = self._work(operation)

        def batch(part: Sequence[SourceFile]) -> list[Done]:
            done = work(part)
            meter.done(len(part))
            return done

        with ThreadPoolExecutor(self.surveyor.cpus) as pool:
            return [done for part in pool.map(batch, batches(files)) for done in part]

    def _work(self, operation: Operation) -> Callable[[Sequence[SourceFile]], list[Done]]:
        linter = self.surveyor.linter
        if operation is Operation.EXTRACT and self.config.extract:
            return Extractor(self.config.extract.over, self.surveyor.asker, linter, self.notes).batch
        rules = rules_of(operation, self.config, first_party(self.checkout.entries))
        return Fixer(operation, rules, linter, linter.tree, self.notes).batch

    def _renamed(self, rename: Rename, files: Sequence[SourceFile]) -> list[Done]:
        """Over all of the repository's own files: what may not change is looked at too."""
        everywhere = self.config.model_copy(update={"paths": (), "exclude": ()})
        everything = plan(self.checkout.entries, everywhere, Notes())
        self.checkout.write([each.raw for each in everything])
        return Renamer(rename, self.surveyor.asker, everything, frozenset(file.path for file in files)).run()

    def _verified(self, touched: Sequence[SourceFile], before: Survey) -> tuple[Survey, dict[str, str]]:
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
        kept = Survey(
            {path: standing for path, standing in later.standings.items() if path not in refused},
            {path: functions for path, functions in later.functions.items() if path not in refused},
        )
        return before.with_changed(kept), refused

    def _tests(self, touched: Sequence[SourceFile], changes: Sequence[Change], ask: Ask) -> Tested:
        """What the repository's tests say of the changed files, as they are held here."""
        if self.config.verify is None or not touched:
            return Tested()
        bodies = {file.path: (file.raw, self.surveyor.linter.tree.read(file) or b"") for file in touched}
        return ask(self.config.verify, _units(touched, changes), bodies)

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


def _units(touched: Sequence[SourceFile], changes: Sequence[Change]) -> list[Unit]:
    """Files that are kept or put back together: those of a renaming, and each other one by itself."""
    renamed = {change.path for change in changes if change.operation == Operation.RENAME}
    paths = [file.path for file in touched]
    together = tuple(path for path in paths if path in renamed)
    return [*([together] if together else []), *((path,) for path in paths if path not in renamed)]


def _sorted_out(changes: Sequence[Change], refused: dict[str, str], patch: Patch) -> tuple[list[Change], list[Dropped]]:
    """The changes that are in the patch, and those that were put back."""
    kept: list[Change] = []
    undone: list[Dropped] = []
    inside = {path.decode(errors="backslashreplace") for path in patch.files}
    for change in changes:
        if change.path in inside:
            kept.append(change)
        else:
            undone.append(Dropped(change, refused.get(change.path, "Another operation of this job undid it.")))
    return kept, undone

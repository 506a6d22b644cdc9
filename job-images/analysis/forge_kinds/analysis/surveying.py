"""Runs the analysers over one commit. A baseline's files that the head has too, byte for byte, are not read again."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_kinds.analysis import stages
from forge_kinds.analysis.between import Between
from forge_kinds.analysis.collecting import SYNTAX_CODES, Collector
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.crew import measure_all
from forge_kinds.analysis.findings import Finding
from forge_kinds.analysis.inventory import SourceFile, plan
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.linting import Linter, Raw, lint_all
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.rules import BETWEEN_FILES, Rule, own_rules, ruff_rules
from forge_kinds.analysis.summary import Survey
from forge_runner.report import Report
from forge_runner.sources.bounded import available_cpus
from forge_runner.sources.ruff import catalogue
from forge_runner.workspace import Checkout

TOOLS: Final = ("ruff", "complexipy", "lizard", "detect-secrets", "vulture")
_LINT_SHARE: Final = 0.2
"""Of a Python file's work, what ruff does; measured on the reference repository."""


@dataclass(frozen=True)
class Planned:
    """A commit, and which of its files are looked at."""

    checkout: Checkout
    files: tuple[SourceFile, ...]
    notes: Notes
    config: AnalysisConfig

    @classmethod
    def of(cls, checkout: Checkout, config: AnalysisConfig) -> "Planned":
        """Decided from the tree alone."""
        notes = Notes()
        return cls(checkout, plan(checkout.entries, config, notes), notes, config)

    def unlike(self, other: "Planned | None") -> tuple[SourceFile, ...]:
        """The files that the other doesn't have in the same place with the same content."""
        same = set(other.files) if other else set()
        return tuple(file for file in self.files if file not in same)


@dataclass(frozen=True)
class Bench:
    """Where the analysers run: a neutral folder, the linter's own rules, and who is told of progress."""

    folder: Path
    linted: Mapping[str, Rule]
    report: Report

    @classmethod
    @contextmanager
    def at(cls, workdir: Path, report: Report) -> Iterator["Bench"]:
        """Raises Transient when the linter can't be started."""
        folder = Path(tempfile.mkdtemp(prefix="analysers-", dir=workdir))
        try:
            yield cls(folder, ruff_rules(catalogue(folder)), report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def survey(bench: Bench, planned: Planned, span: stages.Span = stages.WHOLE, known: Survey | None = None) -> Survey:
    """Everything that can be found out about a commit; its files are written first.

    `known` is the survey of a commit that shares files with this one: what is equal is taken from there.
    """
    shared = set(known.files) if known else set()
    files = tuple(file for file in planned.files if file not in shared)
    planned.checkout.write([file.raw for file in files])
    measured, raws = _applied(bench, planned, files, span)
    if known:
        measured = {file.path: measured.get(file.path) or known.measured[file.path] for file in planned.files}
    kinds = sorted({secret.kind for each in measured.values() for secret in each.secrets})
    rules = {**own_rules(tuple(kinds)), **bench.linted}
    ledger, collector = Ledger(), Collector(planned.checkout.root, rules)
    between = Between(planned.files, measured, planned.config)
    between.note(planned.notes)
    between_files = between.findings(rules)
    found: dict[str, Sequence[Finding]] = {}
    for file in planned.files:
        if known and file in shared:
            own = [each for each in known.found[file.path] if each.rule not in BETWEEN_FILES]
        else:
            _note(file, measured[file.path], raws.get(file.path, []), planned.notes)
            own = collector.findings(file, measured[file.path], raws.get(file.path, []))
        found[file.path] = [*own, *between_files.get(file.path, ())]
        ledger.add(found[file.path])
    tools = {tool: version(tool) for tool in TOOLS}
    layering = between.layering
    return Survey(
        planned.checkout.commit, planned.files, measured, ledger, rules, planned.notes, tools, found, layering
    )


def _applied(
    bench: Bench, planned: Planned, files: tuple[SourceFile, ...], span: stages.Span
) -> tuple[Mapping[str, Measured], Mapping[str, list[Raw]]]:
    """Run the analysers over the files, in as many processes as there are CPUs."""
    cpus = available_cpus()
    meter = stages.Meter(bench.report, {file.path: 2 if file.python else 1 for file in files}, span)
    meter.expect(sum(map(stages.work_of, files)))
    stages.at(bench.report, stages.ANALYSING, span[0], f"{len(files):,} files on {cpus} CPU")

    def measured_one(file: SourceFile) -> None:
        meter.done(file, 1 - _LINT_SHARE if file.python else 1.0)

    def linted_one(file: SourceFile) -> None:
        meter.done(file, _LINT_SHARE)

    root = planned.checkout.root
    measured = measure_all(root, files, bench.folder, cpus, measured_one)
    python = [file for file in files if file.python]
    for file in python:
        if measured[file.path].opaque:
            linted_one(file)
    linted = [file for file in python if not measured[file.path].opaque]
    return measured, lint_all(linted, Linter(root, bench.folder, planned.notes, linted_one), cpus)


def _note(file: SourceFile, measured: Measured, raws: list[Raw], notes: Notes) -> None:
    for note in measured.notes:
        notes.add(Note(note), file.path)
    if any(raw.code in SYNTAX_CODES for raw in raws) and Note.NOT_UTF8 not in measured.notes:
        notes.add(Note.UNPARSABLE, file.path)

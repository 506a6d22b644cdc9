"""Runs the analysers over one commit: over those of its files that nothing is known of yet.

What is known comes from the other commit of the same job (a baseline shares most files with its head), or from earlier
analyses of the repository (shelf.py).
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_kinds.analysis import stages
from forge_kinds.analysis.between import Between
from forge_kinds.analysis.collecting import Collector
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.crew import MAX_BROKEN, measure_all
from forge_kinds.analysis.examined import Examined, notes_on
from forge_kinds.analysis.inventory import SourceFile, plan
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.linting import Linter, Raw, lint_all
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.rules import Rule, own_rules, ruff_rules
from forge_kinds.analysis.ruleset import ruleset
from forge_kinds.analysis.shelf import Shelf
from forge_kinds.analysis.summary import Survey
from forge_runner.report import Report
from forge_runner.sources.bounded import available_cpus
from forge_runner.sources.ruff import catalogue
from forge_runner.workspace import Checkout

TOOLS: Final = ("ruff", "complexipy", "lizard", "detect-secrets", "vulture")
_LINT_SHARE: Final = 0.2
"""Of a Python file's work, what ruff does; measured on the reference repository."""
Known = Mapping[SourceFile, Examined]


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
    """Where the analysers run: a neutral folder, the linter's own rules, what is known, and who is told of progress."""

    folder: Path
    linted: Mapping[str, Rule]
    shelf: Shelf
    report: Report

    @classmethod
    @contextmanager
    def at(cls, workdir: Path, report: Report, kept: bytes = b"") -> Iterator["Bench"]:
        """`kept` is what earlier analyses kept. Raises Transient when the linter can't be started."""
        folder = Path(tempfile.mkdtemp(prefix="analysers-", dir=workdir))
        try:
            linted = ruff_rules(catalogue(folder))
            yield cls(folder, linted, Shelf.of(kept, ruleset(), linted), report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def survey(bench: Bench, planned: Planned, span: stages.Span = stages.WHOLE, known: Known | None = None) -> Survey:
    """Everything that can be found out about a commit. `known` are files that were examined in the same job."""
    examined = _examined(bench, planned, span, known or {})
    measured = {file.path: examined[file].measured for file in planned.files}
    rules = _rules(bench, measured.values())
    for file in planned.files:
        for note in examined[file].notes:
            planned.notes.add(note, file.path)
    between = Between(planned.files, measured, planned.config)
    between.note(planned.notes)
    surveyed = Survey(
        commit=planned.checkout.commit,
        files=planned.files,
        measured=measured,
        ledger=Ledger(),
        rules=rules,
        notes=planned.notes,
        tools={tool: version(tool) for tool in TOOLS},
        examined=examined,
        between=between.findings(rules),
        layering=between.layering,
    )
    surveyed.ledger.add(surveyed.findings())
    return surveyed


def _examined(bench: Bench, planned: Planned, span: stages.Span, known: Known) -> Known:
    """Each file of the commit, the known ones among them."""
    wanted = [file for file in planned.files if file not in known]
    held = {file: found for file in wanted if (found := bench.shelf.find(file))}
    if held:
        bench.report.log(f"{len(held):,} of {len(wanted):,} files are as an earlier analysis found them")
    fresh = _looked_at(bench, planned, [file for file in wanted if file not in held], span)
    if sum(each.broke_a_tool for each in fresh.values()) >= MAX_BROKEN:
        # A tool may have been given up, and for which files hangs on all that it was shown: nothing may be left out.
        bench.shelf.close()
        fresh, held = _looked_at(bench, planned, wanted, span) if held else fresh, {}
    for file, each in fresh.items():
        bench.shelf.put(file, each)
    return {**known, **held, **fresh}


def _looked_at(bench: Bench, planned: Planned, files: Sequence[SourceFile], span: stages.Span) -> Known:
    """Write the files, run the analysers over them, and put together what they said."""
    markers = {marker for file in files for marker in file.markers()}
    planned.checkout.write(sorted({file.raw for file in files} | markers))
    troubles: dict[SourceFile, list[Note]] = defaultdict(list)
    measured, raws = _applied(bench, planned.checkout.root, files, span, troubles)
    collector = Collector(planned.checkout.root, _rules(bench, measured.values()))
    found = {}
    for file in files:
        said = raws.get(file, [])
        findings = tuple(collector.findings(file, measured[file], said))
        found[file] = Examined(measured[file], findings, notes_on(measured[file], said, troubles[file]))
    return found


def _rules(bench: Bench, measured: Iterable[Measured]) -> Mapping[str, Rule]:
    """Ours, one for each kind of secret that was found among them, and the linter's."""
    kinds = sorted({secret.kind for each in measured for secret in each.secrets})
    return {**own_rules(tuple(kinds)), **bench.linted}


def _applied(
    bench: Bench, root: Path, files: Sequence[SourceFile], span: stages.Span, troubles: dict[SourceFile, list[Note]]
) -> tuple[Mapping[SourceFile, Measured], Mapping[SourceFile, list[Raw]]]:
    """Run the analysers over the files, in as many processes as there are CPUs."""
    cpus = available_cpus()
    meter = stages.Meter(bench.report, {file.path: 2 if file.python else 1 for file in files}, span)
    meter.expect(sum(map(stages.work_of, files)))
    stages.at(bench.report, stages.ANALYSING, span[0], f"{len(files):,} files on {cpus} CPU")

    def measured_one(file: SourceFile) -> None:
        meter.done(file, 1 - _LINT_SHARE if file.python else 1.0)

    def linted_one(file: SourceFile) -> None:
        meter.done(file, _LINT_SHARE)

    measured = measure_all(root, files, bench.folder, cpus, measured_one)
    python = [file for file in files if file.python]
    for file in python:
        if measured[file].opaque:
            linted_one(file)
    linted = [file for file in python if not measured[file].opaque]
    linter = Linter(root, bench.folder, lambda file, note: troubles[file].append(note), linted_one)
    return measured, lint_all(linted, linter, cpus)

"""The analysis of one commit, from its URL to its result."""

import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_kinds.analysis import sarif, stages
from forge_kinds.analysis.collecting import SYNTAX_CODES, Collector
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.crew import measure_all
from forge_kinds.analysis.inventory import SourceFile, plan
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.linting import Linter, Raw, lint_all
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.recommending import recommend
from forge_kinds.analysis.rules import own_rules, ruff_rules
from forge_kinds.analysis.summary import Survey, summary
from forge_kinds.analysis.summary import report as report_document
from forge_runner.kinds import Artifact, Result
from forge_runner.report import Report
from forge_runner.sources.bounded import available_cpus
from forge_runner.sources.ruff import catalogue
from forge_runner.workspace import Checkout, fetch
from forge_runner.workspace.checkout import Options

TOOLS: Final = ("ruff", "complexipy", "lizard", "detect-secrets")
_LINT_SHARE: Final = 0.2
"""Of a Python file's work, what ruff does; measured on the reference repository."""


def analyse(assignment: Assignment, workdir: Path, report: Report, options: Options | None = None) -> Result:
    """Do the whole work of one attempt. Raises Permanent or Transient."""
    config = AnalysisConfig.read(assignment.config)
    checkout = fetch(assignment, workdir, report, options or Options())
    report.log(f"Fetched commit {checkout.commit}: {len(checkout.entries):,} entries")
    notes = Notes()
    files = plan(checkout.entries, config, notes)
    checkout.write([file.raw for file in files])
    report.progress("cloning", 10.0, f"{len(files):,} files to analyse")
    survey = _surveyed(checkout, files, notes, workdir, report)
    return _result(survey, report)


def _surveyed(checkout: Checkout, files: tuple[SourceFile, ...], notes: Notes, workdir: Path, report: Report) -> Survey:
    folder = Path(tempfile.mkdtemp(prefix="analysers-", dir=workdir))
    try:
        measured, raws = _applied(checkout.root, files, folder, notes, report)
        kinds = sorted({secret.kind for each in measured.values() for secret in each.secrets})
        rules = {**own_rules(tuple(kinds)), **ruff_rules(catalogue(folder))}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ledger, collector = Ledger(), Collector(checkout.root, rules)
    for file in files:
        _note(file, measured[file.path], raws.get(file.path, []), notes)
        ledger.add(collector.findings(file, measured[file.path], raws.get(file.path, [])))
    tools = {tool: version(tool) for tool in TOOLS}
    return Survey(checkout.commit, files, measured, ledger, rules, notes, tools)


def _applied(
    root: Path, files: tuple[SourceFile, ...], folder: Path, notes: Notes, report: Report
) -> tuple[Mapping[str, Measured], Mapping[str, list[Raw]]]:
    """Run the analysers over the files, in as many processes as there are CPUs."""
    cpus = available_cpus()
    meter = stages.Meter(report, {file.path: 2 if file.python else 1 for file in files})
    meter.expect(sum(map(stages.work_of, files)))
    stages.at(report, stages.ANALYSING, 0.0, f"{len(files):,} files on {cpus} CPU")

    def measured_one(file: SourceFile) -> None:
        meter.done(file, 1 - _LINT_SHARE if file.python else 1.0)

    def linted_one(file: SourceFile) -> None:
        meter.done(file, _LINT_SHARE)

    measured = measure_all(root, files, folder, cpus, measured_one)
    python = [file for file in files if file.python]
    for file in python:
        if measured[file.path].opaque:
            linted_one(file)
    linted = [file for file in python if not measured[file.path].opaque]
    return measured, lint_all(linted, Linter(root, folder, notes, linted_one), cpus)


def _note(file: SourceFile, measured: Measured, raws: list[Raw], notes: Notes) -> None:
    for note in measured.notes:
        notes.add(Note(note), file.path)
    if any(raw.code in SYNTAX_CODES for raw in raws) and Note.NOT_UTF8 not in measured.notes:
        notes.add(Note.UNPARSABLE, file.path)


def _result(survey: Survey, report: Report) -> Result:
    stages.at(report, stages.RECOMMENDING, 0.0, f"{survey.ledger.total:,} findings")
    recommendations = recommend(survey.ledger, survey.rules, survey.code_lines())
    document = summary(survey, recommendations)
    stages.at(report, stages.RECOMMENDING, 0.4, f"{len(recommendations)} recommendations")
    kept = survey.ledger.kept()
    listed = Artifact("report.json", "application/json", report_document(document, kept, survey.rules))
    stages.at(report, stages.RECOMMENDING, 0.7, "Report written")
    paths = {file.path: file.raw for file in survey.files}
    body = sarif.encode(kept, survey.rules, paths, version("forge-jobs"))
    stages.at(report, stages.RECOMMENDING, 1.0, "SARIF written")
    report.log(f"Score {document['score']['value']} ({document['score']['grade']}), {survey.ledger.total:,} findings")
    return Result(document, (listed, Artifact("results.sarif", "application/sarif+json", body)))

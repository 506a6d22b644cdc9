"""The analysis of one commit, from its URL to its result; with a baseline, what changed since."""

import os
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from forge_core.assignment import Assignment
from forge_core.attempts import BASELINE
from forge_core.names import CACHE_PATH_ENV
from forge_kinds.analysis import markdown, sarif, stages
from forge_kinds.analysis.baseline.changes import between
from forge_kinds.analysis.baseline.snapshot import Snapshot
from forge_kinds.analysis.baseline.sources import Base, base_of
from forge_kinds.analysis.baseline.standing import Sides, Standing, standing
from forge_kinds.analysis.churn import Churn, churn_of
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.duplication import Duplication, find
from forge_kinds.analysis.notes import Note
from forge_kinds.analysis.recommending import recommend
from forge_kinds.analysis.structure import structure
from forge_kinds.analysis.summary import Survey, summary
from forge_kinds.analysis.summary import report as report_document
from forge_kinds.analysis.surveying import Bench, Planned, survey
from forge_runner.kinds import Artifact, Result
from forge_runner.report import Report
from forge_runner.workspace import fetch
from forge_runner.workspace.checkout import Options


@dataclass(frozen=True)
class _Found:
    """Everything about the head, and how it stands to its baseline."""

    survey: Survey
    snapshot: Snapshot
    duplication: Duplication
    standing: Standing | None
    churn: Churn | None = None
    cache: bytes | None = None


def analyse(assignment: Assignment, workdir: Path, report: Report, options: Options | None = None) -> Result:
    """Do the whole work of one attempt. Raises Permanent or Transient."""
    config = AnalysisConfig.read(assignment.config)
    options = options or Options()
    if config.history:
        options = replace(options, reach=config.history.reach())
    checkout = fetch(assignment, workdir, report, options)
    report.log(f"Fetched commit {checkout.commit}: {len(checkout.entries):,} entries")
    head = Planned.of(checkout, config)
    base = base_of(config, head, workdir / "baseline", report)
    report.progress("cloning", 10.0, f"{len(head.files):,} files to analyse")
    found = _found(head, base, config, workdir, report)
    if config.history:
        found = replace(found, churn=churn_of(checkout, {file.path for file in head.files}))
    return _result(found, config, report)


def _found(head: Planned, base: Base | None, config: AnalysisConfig, workdir: Path, report: Report) -> _Found:
    ours = sum(map(stages.work_of, head.files))
    theirs = sum(map(stages.work_of, base.planned.unlike(head))) if base and base.planned else 0.0
    share = ours / (ours + theirs) if ours + theirs else 1.0
    before = base.earlier if base else None
    with Bench.at(workdir, report, _kept() if config.cache else b"") as bench:
        surveyed = survey(bench, head, (0.0, share))
        if base and base.planned:
            before = Snapshot.of(survey(bench, base.planned, (share, 1.0), surveyed.examined), config.scope())
        cache = bench.shelf.encode() if config.cache else None
    snapshot = Snapshot.of(surveyed, config.scope())
    duplication = _duplication(surveyed)
    if base is None or before is None or config.baseline is None:
        return _Found(surveyed, snapshot, duplication, None, cache=cache)
    if before.tools != snapshot.tools:
        surveyed.notes.count(Note.OTHER_RULES, 1)
    changes = between(base.checkout, head.checkout) if base.checkout else None
    sides = Sides(before, snapshot, changes, duplication)
    return _Found(surveyed, snapshot, duplication, standing(config.baseline, config.gate, sides), cache=cache)


def _kept() -> bytes:
    """What the runner was given of earlier analyses' knowledge; nothing when it had none or it can't be read."""
    given = os.environ.get(CACHE_PATH_ENV, "")
    try:
        return Path(given).read_bytes() if given else b""
    except OSError:
        return b""


def _duplication(surveyed: Survey) -> Duplication:
    code = {file.path for file in surveyed.files if file.code and not file.test}
    found = find({path: each.prints for path, each in surveyed.measured.items() if path in code})
    if found.left_out:
        surveyed.notes.count(Note.NOT_COMPARED, found.left_out)
    return found


def _result(found: _Found, config: AnalysisConfig, report: Report) -> Result:
    surveyed, compared = found.survey, found.standing
    stages.at(report, stages.RECOMMENDING, 0.0, f"{surveyed.ledger.total:,} findings")
    snapshot = found.snapshot.encode()
    if snapshot is None:
        surveyed.notes.count(Note.UNCOMPARABLE, len(found.snapshot.findings))
    recommendations = recommend(surveyed.ledger, surveyed.rules, surveyed.code_lines())
    document = summary(surveyed, recommendations, _further(found))
    stages.at(report, stages.RECOMMENDING, 0.4, f"{len(recommendations)} recommendations")
    kept = surveyed.ledger.kept()
    if compared:
        states = compared.states
        kept = tuple(states[finding.fingerprint] for finding in kept)
    artifacts = [Artifact("report.json", "application/json", report_document(document, kept, surveyed.rules))]
    stages.at(report, stages.RECOMMENDING, 0.7, "Report written")
    paths = {file.path: file.raw for file in surveyed.files}
    runs = sarif.Runs(surveyed.commit, compared.base.commit if compared else "", config.scope())
    rules = compared.rules if compared else surveyed.rules
    writer = sarif.Writer(rules, paths, version("forge-jobs"), runs)
    artifacts.append(Artifact("results.sarif", sarif.CONTENT_TYPE, writer.encode(kept)))
    if compared:
        both = (*kept, *compared.comparison.fixed)
        artifacts.append(Artifact("with-fixed.sarif", sarif.CONTENT_TYPE, writer.encode(both)))
    stages.at(report, stages.RECOMMENDING, 1.0, "SARIF written")
    summary_md = markdown.render(document, compared)
    artifacts.append(Artifact(markdown.ARTIFACT, "text/markdown; charset=utf-8", summary_md))
    if snapshot is not None:
        artifacts.append(Artifact(BASELINE, "application/json", snapshot))
    _say(document, report)
    return Result(document, tuple(artifacts), found.cache)


def _further(found: _Found) -> dict[str, Any]:
    """What the summary says beside the score and its findings."""
    further: dict[str, Any] = {"duplication": found.duplication.document()}
    python = [file.path for file in found.survey.files if file.python and not file.test]
    if python:
        imports = {path: found.survey.measured[path].imports for path in python}
        loaded = {path: [each.name for each in names if not each.late] for path, names in imports.items()}
        further["structure"] = structure(loaded).document()
    if found.survey.layering:
        further["layers"] = found.survey.layering.document()
    if found.churn:
        further["history"] = found.churn.document(found.survey.ledger)
    if found.standing:
        further["baseline"] = found.standing.document()
        if found.standing.verdict:
            further["gate"] = found.standing.gate_document()
    return further


def _say(document: dict[str, Any], report: Report) -> None:
    score, total = document["score"], document["findings"]["total"]
    report.log(f"Score {score['value']} ({score['grade']}), {total:,} findings")
    if gate := document.get("gate"):
        report.log(f"Gate {gate['verdict']}: " + " ".join(each["reason"] for each in gate["conditions"]))

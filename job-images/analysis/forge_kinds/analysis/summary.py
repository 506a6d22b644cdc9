"""The two documents of a result: the summary that is shown, and the report with every listed finding.

Neither holds a time or a duration: the same commit gives the same bytes.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forge_core.attempts import MAX_ARTIFACT_BYTES, MAX_SUMMARY_BYTES
from forge_kinds.analysis.examined import Examined
from forge_kinds.analysis.findings import Dimension, Finding, Severity
from forge_kinds.analysis.hotspots import hot_files, hot_functions
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.languages import Nature
from forge_kinds.analysis.layers import Layering
from forge_kinds.analysis.ledger import Ledger, graver_half
from forge_kinds.analysis.lines import Lines
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.recommending import MAX_RECOMMENDATIONS, Recommendation
from forge_kinds.analysis.rules import Rule
from forge_kinds.analysis.scoring import SCALES, dimension_score, overall_score

SCHEMA: Final = "forge.analysis/1"


@dataclass(frozen=True)
class Survey:
    """Everything that was found out about one commit."""

    commit: str
    files: Sequence[SourceFile]
    measured: Mapping[str, Measured]
    ledger: Ledger
    rules: Mapping[str, Rule]
    notes: Notes
    tools: Mapping[str, str]
    examined: Mapping[SourceFile, Examined] = field(default_factory=dict)
    """What is known of each file, `files` and those of the other commit of the same job among them."""
    between: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    """Findings that depend on other files too, by path; no file's Examined has them."""
    layering: Layering | None = None
    """Where the job declares layers."""

    def findings(self) -> Iterator[Finding]:
        """All of them, file by file, in order of path."""
        for file in self.files:
            yield from self.examined[file].findings
            yield from self.between.get(file.path, ())

    def languages(self) -> dict[str, tuple[int, Lines]]:
        """Name -> files and lines, of what was counted."""
        counts: dict[str, int] = Counter()
        lines: dict[str, Lines] = defaultdict(Lines)
        for file in self.files:
            found = self.measured.get(file.path)
            if file.language and found and not found.opaque:
                counts[file.language.name] += 1
                lines[file.language.name] += found.lines
        return {name: (counts[name], lines[name]) for name in counts}

    def code_lines(self) -> int:
        """Lines of code in programming languages: what costs are set against."""
        natures = {file.language.name: file.language.nature for file in self.files if file.language}
        return sum(lines.code for name, (_count, lines) in self.languages().items() if natures[name] is Nature.CODE)


def summary(
    survey: Survey, recommendations: Sequence[Recommendation], further: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the platform shows of an analysis; at most MAX_SUMMARY_BYTES as JSON. `further` are members beside."""
    code_lines, kept = survey.code_lines(), survey.ledger.kept()
    if code_lines == 0:
        survey.notes.count(Note.NO_CODE, 1)
    listed = sum(not finding.suppressed for finding in kept)
    if listed < survey.ledger.total:
        survey.notes.count(Note.TRUNCATED, survey.ledger.total - listed)
    document = {
        "schema": SCHEMA,
        "commit": survey.commit,
        "score": _score(survey.ledger, code_lines),
        "findings": _findings(survey.ledger, listed),
        "languages": _languages(survey.languages()),
        "codeLines": code_lines,
        "files": len(survey.files),
        "hotSpots": {
            "files": hot_files(survey.ledger, survey.measured),
            "functions": hot_functions(survey.files, survey.measured),
        },
        **(further or {}),
        "recommendations": [each.document() for each in recommendations[:MAX_RECOMMENDATIONS]],
        "notes": survey.notes.document(),
        "tools": dict(sorted(survey.tools.items())),
    }
    return _fitted(document)


def _score(ledger: Ledger, code_lines: int) -> dict[str, Any]:
    whole = overall_score(ledger.penalties, code_lines)
    dimensions = {}
    for dimension in Dimension:
        score = dimension_score(dimension, ledger.penalties[dimension], code_lines)
        dimensions[dimension.value] = {
            "value": score.value,
            "grade": score.grade,
            "findings": sum(ledger.penalties[dimension].values()),
            "weight": SCALES[dimension].weight,
        }
    return {"value": whole.value, "grade": whole.grade, "dimensions": dimensions}


def _findings(ledger: Ledger, listed: int) -> dict[str, Any]:
    return {
        "total": ledger.total,
        "listed": listed,
        "suppressed": ledger.suppressed,
        "bySeverity": {severity.word: ledger.by_severity[severity] for severity in reversed(Severity)},
        "byRule": ledger.by_rule(),
    }


def _languages(languages: Mapping[str, tuple[int, Lines]]) -> list[dict[str, Any]]:
    ordered = sorted(languages.items(), key=lambda item: (-item[1][1].code, item[0]))
    return [
        {
            "language": name,
            "files": count,
            "codeLines": lines.code,
            "commentLines": lines.comment,
            "blankLines": lines.blank,
        }
        for name, (count, lines) in ordered
    ]


def _fitted(document: dict[str, Any]) -> dict[str, Any]:
    """Fewer recommendations and places when paths are so long that the summary would be refused."""
    if "duplication" in document and len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        document["duplication"] = {**document["duplication"], "blocks": []}
    if "layers" in document and len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        document["layers"] = {**document["layers"], "fromTheTop": []}
    if "structure" in document and len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        document["structure"] = {**document["structure"], "largestCycles": [], "foldersThatImportEachOther": []}
    while len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        longest = max(("recommendations", "notes"), key=lambda key: len(json.dumps(document[key])))
        if longest == "notes" and any(note["paths"] for note in document["notes"]):
            document["notes"] = [
                {**note, "paths": note["paths"][: len(note["paths"]) // 2]} for note in document["notes"]
            ]
        elif document["recommendations"]:
            document["recommendations"] = _half(document["recommendations"])
        else:
            document["hotSpots"] = {"files": [], "functions": []}
    return document


def _half(listed: list[Any]) -> list[Any]:
    return listed[: len(listed) // 2]


def report(document: Mapping[str, Any], findings: Iterable[Finding], rules: Mapping[str, Rule]) -> bytes:
    """`report.json`: the summary, and all listed findings with their rules; fewer when it would be refused."""
    listed = list(findings)
    while True:
        body = json.dumps(_report(document, listed, rules), separators=(",", ":"), ensure_ascii=True).encode()
        if len(body) <= MAX_ARTIFACT_BYTES or not listed:
            return body
        listed = graver_half(listed)


def _report(document: Mapping[str, Any], listed: Sequence[Finding], rules: Mapping[str, Rule]) -> dict[str, Any]:
    used = {finding.rule: rules[finding.rule] for finding in listed}
    return {
        **document,
        "rules": {
            code: {
                "name": rule.name,
                "summary": rule.summary,
                "helpUri": rule.help_uri,
                "minutes": rule.minutes,
                "confidence": rule.confidence,
            }
            for code, rule in sorted(used.items())
        },
        "results": [_listed(finding, used[finding.rule]) for finding in listed],
    }


def _listed(finding: Finding, rule: Rule) -> dict[str, Any]:
    document = {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "name": rule.name,
        "severity": finding.severity.word,
        "dimension": finding.dimension.value,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "endLine": max(finding.line, finding.end_line),
        "message": finding.message,
        "helpUri": rule.help_uri,
    }
    if finding.state:
        document["state"] = finding.state.value
    return {**document, "suppressed": True} if finding.suppressed else document

"""The findings as SARIF 2.1.0, within what GitHub's code scanning takes: 25,000 results, 20 tags a rule, 10 MB zipped.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/ and GitHub's "SARIF support for code scanning".
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, quote_from_bytes
from uuid import NAMESPACE_URL, uuid5

from forge_core.attempts import MAX_ARTIFACT_BYTES
from forge_kinds.analysis.findings import Dimension, Finding, Severity
from forge_kinds.analysis.ledger import MAX_KEPT, graver_half
from forge_kinds.analysis.rules import Rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
CONTENT_TYPE: Final = "application/sarif+json"
MAX_ZIPPED: Final = 10 * 1000 * 1000
_LEVELS: Final = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# GitHub: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SECURITY_SEVERITY: Final = {
    Severity.INFO: "1.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}
_RISKS: Final = frozenset({Dimension.SECURITY, Dimension.SECRETS})


@dataclass(frozen=True)
class Runs:
    """Which run this is, and against which one it is compared ("" when against none)."""

    commit: str
    base: str
    scope: Mapping[str, Sequence[str]]

    def guid(self, commit: str) -> str:
        """The same for every run that looks at the same part of this commit: such runs have the same results."""
        return str(uuid5(NAMESPACE_URL, json.dumps([SCHEMA, commit, {**self.scope}], sort_keys=True)))


@dataclass(frozen=True)
class Writer:
    """`paths` gives each finding's path in its own bytes."""

    rules: Mapping[str, Rule]
    paths: Mapping[str, bytes]
    version: str
    runs: Runs

    def encode(self, findings: Sequence[Finding]) -> bytes:
        """The file. Halves the list until it fits and has no more than GitHub takes, gravest kept."""
        kept = list(findings)
        while True:
            body = json.dumps(self._document(kept), separators=(",", ":"), sort_keys=True).encode()
            if not kept or (len(kept) <= MAX_KEPT and _fits(body)):
                return body
            kept = graver_half(kept)

    def _document(self, findings: Sequence[Finding]) -> dict[str, Any]:
        used = sorted({finding.rule for finding in findings})
        index = {rule: number for number, rule in enumerate(used)}
        driver = {
            "name": "Forge Jobs",
            "semanticVersion": self.version,
            "rules": [_rule(self.rules[rule]) for rule in used],
        }
        run = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The repository's root."}}},
            "automationDetails": {"id": "forge-jobs/analysis/", "guid": self.runs.guid(self.runs.commit)},
            "results": [_result(finding, index[finding.rule], self.paths) for finding in findings],
        }
        if self.runs.base:
            run["baselineGuid"] = self.runs.guid(self.runs.base)
        return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _fits(body: bytes) -> bool:
    if len(body) > MAX_ARTIFACT_BYTES:
        return False
    return len(body) < MAX_ZIPPED or len(gzip.compress(body, 6, mtime=0)) < MAX_ZIPPED


def _rule(rule: Rule) -> dict[str, Any]:
    level = _LEVELS[rule.severity]
    precision = "high" if rule.confidence == 100 else "medium"
    properties: dict[str, Any] = {"tags": [rule.dimension.value], "precision": precision}
    if rule.dimension in _RISKS:
        properties["tags"] = sorted({"security", rule.dimension.value})
        properties["security-severity"] = _SECURITY_SEVERITY[rule.severity]
    else:
        properties["problem.severity"] = "recommendation" if level == "note" else level
    step = rule.first_step or f"See {rule.help_uri}"
    explanation = rule.explanation or rule.summary
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.summary[:1000]},
        "fullDescription": {"text": _first_paragraph(explanation)[:1000]},
        "help": {"text": step, "markdown": f"{explanation}\n\n{step}"},
        "helpUri": rule.help_uri,
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }


def _first_paragraph(markdown: str) -> str:
    for paragraph in markdown.split("\n\n"):
        plain = " ".join(line for line in paragraph.splitlines() if not line.startswith("#"))
        if plain.strip():
            return " ".join(plain.split())
    return markdown


def _result(finding: Finding, rule_index: int, paths: Mapping[str, bytes]) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    if finding.end_line > finding.line:
        region["endLine"] = finding.end_line
    raw = paths.get(finding.path)
    uri = quote_from_bytes(raw) if raw is not None else quote(finding.path)
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message or finding.rule},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": region}},
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{finding.fingerprint[:16]}:1",
            "forge/v1": finding.fingerprint,
        },
    }
    if finding.state:
        result["baselineState"] = finding.state.value
    if finding.suppressed:
        result["suppressions"] = [{"kind": "inSource", "justification": "A noqa comment on the line names the rule."}]
    return result

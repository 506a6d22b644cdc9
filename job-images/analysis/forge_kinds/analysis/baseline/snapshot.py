"""A commit as later ones are compared with it: all its findings, its score, and what was looked at.

It comes from a survey made in the same job, or from the artefact `baseline.json` that an earlier analysis left; either
way the comparison is the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forge_core.attempts import BASELINE, MAX_ARTIFACT_BYTES
from forge_kinds.analysis.findings import MAX_MESSAGE, Dimension, Finding, Severity
from forge_kinds.analysis.rules import Rule
from forge_kinds.analysis.scoring import dimension_score, overall_score
from forge_kinds.analysis.summary import Survey
from forge_runner.report import Permanent

SCHEMA: Final = "forge.analysis.baseline/1"
MAX_FINDINGS: Final = 100_000
_Text = Annotated[str, Field(max_length=4096)]
_Number = Annotated[int, Field(ge=0, le=2**31)]
_Score = Annotated[float, Field(ge=0, le=100)] | None


@dataclass(frozen=True)
class Snapshot:
    """`rules` are those of its findings at least; `scope` is AnalysisConfig.scope."""

    commit: str
    findings: tuple[Finding, ...]
    rules: Mapping[str, Rule]
    score: float | None
    dimensions: Mapping[str, float | None]
    scope: Mapping[str, Sequence[str]]
    tools: Mapping[str, str]

    @classmethod
    def of(cls, survey: Survey, scope: Mapping[str, Sequence[str]]) -> Self:
        """A survey's, whole."""
        lines, penalties = survey.code_lines(), survey.ledger.penalties
        dimensions = {each.value: dimension_score(each, penalties[each], lines).value for each in Dimension}
        score = overall_score(penalties, lines).value
        return cls(survey.commit, tuple(survey.findings()), survey.rules, score, dimensions, scope, survey.tools)

    def encode(self) -> bytes | None:
        """The artefact; None when there are more than MAX_FINDINGS, or more than an artefact holds."""
        if len(self.findings) > MAX_FINDINGS:
            return None
        used = sorted({finding.rule for finding in self.findings})
        number = {rule: at for at, rule in enumerate(used)}
        document = {
            "schema": SCHEMA,
            "commit": self.commit,
            "score": self.score,
            "dimensions": dict(self.dimensions),
            "scope": dict(self.scope),
            "tools": dict(self.tools),
            "rules": [_rule(self.rules[rule]) for rule in used],
            "findings": [_finding(finding, number[finding.rule]) for finding in self.findings],
        }
        body = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        return body if len(body) <= MAX_ARTIFACT_BYTES else None

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """What `encode` made. Raises Permanent."""
        try:
            read = _Document.model_validate_json(body)
            rules = [each.rule() for each in read.rules]
            findings = tuple(each.finding(rules) for each in map(_Finding.of, read.findings))
        except (ValidationError, IndexError, TypeError) as error:
            raise Permanent(
                f"The baseline's artefact {BASELINE} can't be read ({type(error).__name__}); analyse that commit anew, "
                "or name a ref."
            ) from None
        named = {rule.id: rule for rule in rules}
        return cls(read.commit, findings, named, read.score, read.dimensions, read.scope, read.tools)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id, "name": rule.name, "dimension": rule.dimension.value, "severity": rule.severity.word,
        "minutes": rule.minutes, "summary": rule.summary, "helpUri": rule.help_uri, "title": rule.title,
    }  # fmt: skip


def _finding(finding: Finding, rule: int) -> list[Any]:
    place = [finding.path, finding.line, finding.column, finding.end_line]
    known = [finding.content, finding.fingerprint, int(finding.suppressed)]
    return [rule, int(finding.severity), *place, finding.message, *known]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rule(_Model):
    id: _Text
    name: _Text
    dimension: Dimension
    severity: str
    minutes: Annotated[float, Field(ge=0, le=10_000)]
    summary: _Text
    helpUri: _Text  # noqa: N815 - as the document has it
    title: _Text

    def rule(self) -> Rule:
        words = {severity.word: severity for severity in Severity}
        grave = words.get(self.severity, Severity.INFO)
        about = (self.id, self.name, self.dimension, grave, self.minutes, self.summary, self.helpUri)
        return Rule(*about, title=self.title)


class _Finding(_Model):
    rule: _Number
    severity: Severity
    path: Annotated[str, Field(max_length=20_000)]
    line: _Number
    column: _Number
    end_line: _Number
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    content: Annotated[str, Field(max_length=64)]
    fingerprint: Annotated[str, Field(max_length=64)]
    suppressed: bool

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        return cls.model_validate(dict(zip(cls.model_fields, values, strict=False)))

    def finding(self, rules: Sequence[Rule]) -> Finding:
        rule = rules[self.rule]
        place = (self.path, self.line, self.message, self.column, self.end_line, self.content, self.suppressed)
        return Finding(rule.id, self.severity, rule.dimension, *place, self.fingerprint)


class _Document(_Model):
    schema_: Annotated[Literal["forge.analysis.baseline/1"], Field(alias="schema")]
    commit: Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
    score: _Score
    dimensions: Annotated[dict[_Text, _Score], Field(max_length=20)]
    scope: Annotated[dict[_Text, list[_Text]], Field(max_length=10)]
    tools: Annotated[dict[_Text, _Text], Field(max_length=50)]
    rules: Annotated[list[_Rule], Field(max_length=5000)]
    findings: Annotated[list[list[Any]], Field(max_length=MAX_FINDINGS)]

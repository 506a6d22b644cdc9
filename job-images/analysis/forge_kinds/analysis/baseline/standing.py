"""How a commit stands to its baseline: the comparison, the new code and the verdict of the gate, for the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forge_kinds.analysis.baseline.changes import Changes, holds
from forge_kinds.analysis.baseline.comparing import Comparison, by_severity, compare
from forge_kinds.analysis.baseline.gate import Condition, Facts, Verdict, judge, percent
from forge_kinds.analysis.baseline.snapshot import Snapshot
from forge_kinds.analysis.config import Baseline, Gate
from forge_kinds.analysis.duplication import Duplication
from forge_kinds.analysis.findings import Finding
from forge_kinds.analysis.rules import Rule


@dataclass(frozen=True)
class NewCode:
    """Lines of code that were added or changed, tests aside, and how many of them stand elsewhere too."""

    lines: int
    duplicated: int

    @classmethod
    def of(cls, duplication: Duplication, changes: Changes) -> "NewCode":
        """Of the lines that were compared."""
        lines = duplicated = 0
        for path, ranges in changes.added.items():
            new = [number for number in duplication.lines.get(path, ()) if holds(ranges, number)]
            lines += len(new)
            duplicated += len(duplication.duplicated.get(path, frozenset()).intersection(new))
        return cls(lines, duplicated)


@dataclass(frozen=True)
class Standing:
    """`new_code` is None when the baseline's commit is gone; `verdict` when the job asked for no gate."""

    asked: Baseline
    base: Snapshot
    head: Snapshot
    comparison: Comparison
    new_code: NewCode | None
    verdict: Verdict | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def states(self) -> Mapping[str, Finding]:
        """The head's findings with their states, by fingerprint."""
        return {finding.fingerprint: finding for finding in self.comparison.head}

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Those of both sides; where both know one, the head's."""
        return {**self.base.rules, **self.head.rules}

    def document(self) -> dict[str, Any]:
        """The summary's member `baseline`."""
        new, fixed = self.comparison.new, [each for each in self.comparison.fixed if not each.suppressed]
        counted = [each for each in self.comparison.head if not each.suppressed]
        document: dict[str, Any] = {
            "ref": self.asked.ref,
            "analysis": str(self.asked.analysis) if self.asked.analysis else None,
            "commit": self.base.commit,
            "score": self.base.score,
            "new": {"total": len(new), "bySeverity": by_severity(new)},
            "fixed": {"total": len(fixed), "bySeverity": by_severity(fixed)},
            "unchanged": len(counted) - len(new),
        }
        if self.new_code:
            lines, copied = self.new_code.lines, self.new_code.duplicated
            document["newCode"] = {
                "lines": lines, "duplicatedLines": copied, "duplicatedPercent": percent(copied, lines),
            }  # fmt: skip
        return document

    def gate_document(self) -> dict[str, Any]:
        """The summary's member `gate`."""
        return {"verdict": self.verdict, "conditions": [each.document() for each in self.conditions]}


@dataclass(frozen=True)
class Sides:
    """What is compared; `changes` is None when the baseline's commit is gone."""

    base: Snapshot
    head: Snapshot
    changes: Changes | None
    duplication: Duplication


def standing(asked: Baseline, gate: Gate | None, sides: Sides) -> Standing:
    """Compare, and judge when there is a gate. Pure."""
    comparison = compare(sides.head.findings, sides.base.findings, sides.changes or Changes())
    new_code = NewCode.of(sides.duplication, sides.changes) if sides.changes else None
    if gate is None:
        return Standing(asked, sides.base, sides.head, comparison, new_code)
    facts = Facts(
        new=by_severity(comparison.new),
        score=sides.head.score,
        score_before=sides.base.score,
        new_lines=new_code.lines if new_code else None,
        new_duplicated=new_code.duplicated if new_code else 0,
    )
    return Standing(asked, sides.base, sides.head, comparison, new_code, *judge(gate, facts))

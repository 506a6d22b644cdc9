"""Keeps account of findings: exact totals of everything, and a bounded list of the gravest."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from forge_runner.kinds.analysis.findings import Dimension, Finding, Severity

MAX_KEPT: Final = 25_000
"""As many as GitHub's code scanning takes in one run."""
MAX_KEPT_PER_RULE: Final = 2_000


@dataclass
class RuleTotal:
    """All findings of one rule."""

    count: int = 0
    by_severity: Counter[Severity] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Findings go in file by file, in order of path; totals stay exact however many there are."""

    def __init__(self) -> None:
        self.rules: dict[str, RuleTotal] = defaultdict(RuleTotal)
        self.penalties: dict[Dimension, Counter[Severity]] = {dimension: Counter() for dimension in Dimension}
        self.files: dict[str, Counter[Severity]] = defaultdict(Counter)
        self.suppressed = 0
        self._kept: list[Finding] = []
        self._kept_per_rule: Counter[str] = Counter()
        self._dimension: dict[str, Dimension] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Take one file's findings."""
        for finding in findings:
            if finding.suppressed:
                self.suppressed += 1
            else:
                self._count(finding)
            if self._kept_per_rule[finding.rule] < MAX_KEPT_PER_RULE:
                self._kept_per_rule[finding.rule] += 1
                self._kept.append(finding)

    def _count(self, finding: Finding) -> None:
        total = self.rules[finding.rule]
        total.count += 1
        total.by_severity[finding.severity] += 1
        total.by_path[finding.path] += 1
        self.penalties[finding.dimension][finding.severity] += 1
        self.files[finding.path][finding.severity] += 1
        self._dimension[finding.rule] = finding.dimension

    def dimension_of(self, rule: str) -> Dimension:
        """What a rule's findings count against."""
        return self._dimension[rule]

    @property
    def total(self) -> int:
        """All findings that count."""
        return sum(total.count for total in self.rules.values())

    def kept(self) -> tuple[Finding, ...]:
        """The listed ones in order of place; when there are too many, the least grave are left out."""
        chosen = self._kept
        if len(chosen) > MAX_KEPT:
            chosen = sorted(chosen, key=lambda each: (each.suppressed, -each.severity, each.order))[:MAX_KEPT]
        return tuple(sorted(chosen, key=lambda each: each.order))

"""Keeps account of findings: exact totals of everything, and a bounded list of the gravest."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from forge_kinds.analysis.findings import Dimension, Finding, Severity
from forge_kinds.analysis.rules import BETWEEN_FILES, GRADED

MAX_KEPT: Final = 25_000
"""As many as GitHub's code scanning takes in one run."""
MAX_KEPT_PER_RULE: Final = 2_000


@dataclass
class Total:
    """Findings of one rule, or of one gravity of a graded rule."""

    rule: str
    dimension: Dimension
    count: int = 0
    by_severity: Counter[Severity] = field(default_factory=Counter)
    by_path: dict[str, Counter[Severity]] = field(default_factory=lambda: defaultdict(Counter))


class Ledger:
    """Findings go in file by file, in order of path; totals stay exact however many there are."""

    def __init__(self) -> None:
        self.totals: dict[tuple[str, Severity | None], Total] = {}
        self.penalties: dict[Dimension, Counter[Severity]] = {dimension: Counter() for dimension in Dimension}
        self.files: dict[str, Counter[Severity]] = defaultdict(Counter)
        self.by_severity: Counter[Severity] = Counter()
        """All that count; `penalties` and `files` have those that cost."""
        self.suppressed = 0
        self._kept: list[Finding] = []
        self._kept_per_rule: Counter[str] = Counter()

    def add(self, findings: Iterable[Finding]) -> None:
        """Take these."""
        for finding in findings:
            if finding.suppressed:
                self.suppressed += 1
            else:
                self._count(finding)
            if self._kept_per_rule[finding.rule] < MAX_KEPT_PER_RULE:
                self._kept_per_rule[finding.rule] += 1
                self._kept.append(finding)

    def _count(self, finding: Finding) -> None:
        key = (finding.rule, finding.severity if finding.rule in GRADED else None)
        total = self.totals.setdefault(key, Total(finding.rule, finding.dimension))
        total.count += 1
        total.by_severity[finding.severity] += 1
        total.by_path[finding.path][finding.severity] += 1
        self.by_severity[finding.severity] += 1
        if finding.rule not in BETWEEN_FILES:
            self.penalties[finding.dimension][finding.severity] += 1
            self.files[finding.path][finding.severity] += 1

    @property
    def total(self) -> int:
        """All findings that count."""
        return sum(total.count for total in self.totals.values())

    def by_rule(self) -> dict[str, int]:
        """Findings that count, of each rule."""
        counts: Counter[str] = Counter()
        for total in self.totals.values():
            counts[total.rule] += total.count
        return dict(sorted(counts.items()))

    def kept(self) -> tuple[Finding, ...]:
        """The listed ones in order of place; when there are too many, the least grave are left out."""
        chosen = self._kept
        if len(chosen) > MAX_KEPT:
            chosen = sorted(chosen, key=lambda each: (each.suppressed, -each.severity, each.order))[:MAX_KEPT]
        return tuple(sorted(chosen, key=lambda each: each.order))


def graver_half(findings: Sequence[Finding]) -> list[Finding]:
    """The graver half of a list that is too long for where it goes, in order of place."""
    gravest = sorted(findings, key=lambda each: (each.suppressed, -each.severity, each.order))[: len(findings) // 2]
    return sorted(gravest, key=lambda each: each.order)

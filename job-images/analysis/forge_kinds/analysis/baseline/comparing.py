"""Which findings are new, which are as they were, and which are fixed. Pure.

A finding is known again by its rule, its file (under its new name when it was renamed), what its line says and whether
a comment suppresses it: moving, indenting and renaming leave it as it was. Of several that are equal in all that, those
on untouched lines are taken for the old ones. One that has become graver is new, and the lesser one is fixed.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from forge_kinds.analysis.baseline.changes import Changes, Ranges, holds
from forge_kinds.analysis.findings import Finding, Severity, State


@dataclass(frozen=True)
class Comparison:
    """`head` are all of the head's findings, each new or unchanged; `fixed` are those that only the baseline has."""

    head: tuple[Finding, ...]
    fixed: tuple[Finding, ...]

    @property
    def new(self) -> tuple[Finding, ...]:
        """Those of the head that count and that the baseline doesn't have."""
        return tuple(each for each in self.head if each.state is State.NEW and not each.suppressed)


def compare(head: Iterable[Finding], base: Iterable[Finding], changes: Changes) -> Comparison:
    """Every finding of either side is in exactly one place of the answer."""
    ours: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    theirs: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in head:
        ours[_key(finding, finding.path)].append(finding)
    for finding in base:
        theirs[_key(finding, changes.renamed.get(finding.path, finding.path))].append(finding)
    compared: list[Finding] = []
    fixed: list[Finding] = []
    for key in ours.keys() | theirs.keys():
        news, gone = _matched(ours.get(key, ()), theirs.get(key, ()), changes)
        compared += news
        fixed += gone
    return Comparison(_ordered(compared), _ordered(fixed))


def by_severity(findings: Iterable[Finding]) -> dict[str, int]:
    """Those that count, by the word of their severity, gravest first."""
    counts = Counter(finding.severity for finding in findings if not finding.suppressed)
    return {severity.word: counts[severity] for severity in reversed(Severity)}


def _key(finding: Finding, path: str) -> tuple[str, ...]:
    return (finding.rule, path, finding.content, str(finding.suppressed))


def _matched(
    ours: Sequence[Finding], theirs: Sequence[Finding], changes: Changes
) -> tuple[list[Finding], list[Finding]]:
    """The head's equal findings with their states, and those of the baseline that none of them is.

    The gravest first, each with the gravest that is left: so as many as can be are known again.
    """
    ours = sorted(ours, key=lambda each: _rank(each, changes.added))
    left = deque(sorted(theirs, key=lambda each: _rank(each, changes.removed)))
    head: list[Finding] = []
    for finding in ours:
        same = bool(left) and finding.severity <= left[0].severity
        head.append(replace(finding, state=State.UNCHANGED if same else State.NEW))
        if same:
            left.popleft()
    return head, [replace(each, state=State.ABSENT) for each in left]


def _rank(finding: Finding, touched: Mapping[str, Ranges]) -> tuple[Any, ...]:
    return (-finding.severity, holds(touched.get(finding.path, ()), finding.line), finding.order)


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: (each.order, -each.severity, each.content, each.suppressed)))

"""What to do first: findings of one rule become one recommendation, ranked by points gained for the effort."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from forge_kinds.analysis.advice import first_step
from forge_kinds.analysis.findings import Dimension, Severity
from forge_kinds.analysis.ledger import Ledger, Total
from forge_kinds.analysis.rules import BETWEEN_FILES, GRADED, Rule
from forge_kinds.analysis.scoring import cost, overall

MAX_RECOMMENDATIONS: Final = 50
WORST_PLACES: Final = 5
_START_MINUTES: Final = 10.0
"""Of reading in, testing and review, however few the places."""


_GRADES: Final = {
    Severity.HIGH: "the worst",
    Severity.MEDIUM: "the bad",
    Severity.LOW: "the lesser",
    Severity.INFO: "the least, in tests",
}
_GRADED_MINUTES: Final = {Severity.HIGH: 2.0, Severity.MEDIUM: 1.0, Severity.LOW: 0.5, Severity.INFO: 0.5}
Penalties = Mapping[Dimension, Counter[Severity]]


@dataclass(frozen=True)
class Place:
    """Where to look: a file, how many findings of the rule it has, and the line of the first that is listed."""

    path: str
    line: int
    count: int


@dataclass(frozen=True)
class Recommendation:
    """One thing to do. `gain` is in points of the overall score, as if all its findings were gone."""

    rule: Rule
    count: int
    by_severity: Mapping[Severity, int]
    gain: float
    minutes: float
    places: tuple[Place, ...]

    @property
    def worst(self) -> Severity:
        """The gravest finding's."""
        return max(self.by_severity)

    @property
    def title(self) -> str:
        """A few words; of a graded rule they tell which part of its findings is meant."""
        words = self.rule.title or self.rule.summary
        return f"{words}, {_GRADES[self.worst]}" if self.rule.id in GRADED else words

    @property
    def rank(self) -> tuple[float, float, str]:
        """Most points an hour first; then the gravest, then by rule."""
        return (-self.gain / self.minutes, -cost(self.by_severity), self.rule.id)

    def document(self) -> dict[str, Any]:
        """For the result."""
        return {
            "rule": self.rule.id,
            "title": self.title,
            "what": self.rule.summary,
            "dimension": self.rule.dimension.value,
            "severity": self.worst.word,
            "count": self.count,
            "firstStep": first_step(self.rule, self.places[0].path if self.places else ""),
            "effortMinutes": round(self.minutes),
            "pointsGained": round(self.gain, 2),
            "pointsPerHour": round(self.gain / self.minutes * 60, 2),
            "fixable": self.rule.fixable,
            "helpUri": self.rule.help_uri,
            "places": [{"path": place.path, "line": place.line, "count": place.count} for place in self.places],
        }


def recommend(ledger: Ledger, rules: Mapping[str, Rule], code_lines: int) -> tuple[Recommendation, ...]:
    """All recommendations, best first."""
    now = overall(ledger.penalties, code_lines)
    lines = _lines(ledger)
    made = []
    for total in ledger.totals.values():
        rule = rules[total.rule]
        gain = overall(_without(ledger.penalties, total), code_lines) - now
        minutes = _START_MINUTES + sum(
            _minutes(rule, severity) * count for severity, count in total.by_severity.items()
        )
        made.append(Recommendation(rule, total.count, total.by_severity, gain, minutes, _places(total, lines)))
    return tuple(sorted(made, key=lambda each: each.rank))


def _minutes(rule: Rule, severity: Severity) -> float:
    return rule.minutes * _GRADED_MINUTES[severity] if rule.id in GRADED else rule.minutes


def _without(penalties: Penalties, total: Total) -> Penalties:
    if total.rule in BETWEEN_FILES:
        return penalties
    return {**penalties, total.dimension: penalties[total.dimension] - total.by_severity}


Lines = Mapping[tuple[str, str, Severity], int]


def _lines(ledger: Ledger) -> Lines:
    """The first listed finding's line, of each rule, file and severity."""
    lines: dict[tuple[str, str, Severity], int] = {}
    for finding in ledger.kept():
        if not finding.suppressed:
            lines.setdefault((finding.rule, finding.path, finding.severity), finding.line)
    return lines


def _places(total: Total, lines: Lines) -> tuple[Place, ...]:
    worst = sorted(total.by_path.items(), key=lambda item: (-cost(item[1]), item[0]))[:WORST_PLACES]
    return tuple(
        Place(path, lines.get((total.rule, path, max(counts)), 1), sum(counts.values())) for path, counts in worst
    )

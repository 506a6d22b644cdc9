"""What to do first: findings of one rule become one recommendation, ranked by points gained for the effort."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from forge_runner.kinds.analysis.advice import first_step
from forge_runner.kinds.analysis.findings import Dimension, Severity
from forge_runner.kinds.analysis.ledger import Ledger, RuleTotal
from forge_runner.kinds.analysis.rules import Rule
from forge_runner.kinds.analysis.scoring import cost, overall

MAX_RECOMMENDATIONS: Final = 50
WORST_PLACES: Final = 5
_START_MINUTES: Final = 10.0
"""Of reading in, testing and review, however few the places."""


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
    worst: Severity
    by_severity: Mapping[Severity, int]
    gain: float
    minutes: float
    places: tuple[Place, ...]

    @property
    def rank(self) -> tuple[float, float, str]:
        """Most points an hour first; then the gravest, then by rule."""
        return (-self.gain / self.minutes, -cost(self.by_severity), self.rule.id)

    def document(self) -> dict[str, Any]:
        """For the result."""
        return {
            "rule": self.rule.id,
            "title": self.rule.summary,
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
    first_lines = _first_lines(ledger)
    made = []
    for code, total in ledger.rules.items():
        dimension = ledger.dimension_of(code)
        gain = overall(_without(ledger.penalties, dimension, total), code_lines) - now
        minutes = _START_MINUTES + total.count * rules[code].minutes
        worst = max(total.by_severity)
        places = _places(code, total, first_lines)
        made.append(Recommendation(rules[code], total.count, worst, total.by_severity, gain, minutes, places))
    return tuple(sorted(made, key=lambda each: each.rank))


def _without(penalties: Penalties, dimension: Dimension, total: RuleTotal) -> Penalties:
    return {**penalties, dimension: penalties[dimension] - total.by_severity}


def _first_lines(ledger: Ledger) -> dict[tuple[str, str], int]:
    """The gravest listed finding's line, of each rule and file."""
    best: dict[tuple[str, str], tuple[int, int]] = {}
    for finding in ledger.kept():
        if not finding.suppressed:
            key, candidate = (finding.rule, finding.path), (-finding.severity, finding.line)
            best[key] = min(best.get(key, candidate), candidate)
    return {key: line for key, (_severity, line) in best.items()}


def _places(code: str, total: RuleTotal, first_lines: Mapping[tuple[str, str], int]) -> tuple[Place, ...]:
    worst = sorted(total.by_path.items(), key=lambda item: (-item[1], item[0]))[:WORST_PLACES]
    return tuple(Place(path, first_lines.get((code, path), 1), count) for path, count in worst)

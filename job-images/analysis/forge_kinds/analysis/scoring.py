"""The score: pure arithmetic over counts of findings, told in docs/scoring.md.

Each finding costs by its severity; a dimension's cost, set against the size of the code, becomes 0-100. More findings
never make any score better (a property test holds that).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forge_kinds.analysis.findings import Dimension, Severity

COST: Final[Mapping[Severity, float]] = {
    Severity.INFO: 0.2,
    Severity.LOW: 1.0,
    Severity.MEDIUM: 4.0,
    Severity.HIGH: 12.0,
    Severity.CRITICAL: 40.0,
}

Counts = Mapping[Severity, int]


@dataclass(frozen=True)
class Scale:
    """`weight`: the dimension's share of the whole. `half`: the cost per unit of size at which its score is 50.

    `power` is what a cost is divided by, as a power of the thousand lines of code: 1 is plain density; 0 means that
    size excuses nothing.
    """

    weight: float
    half: float
    power: float


SCALES: Final[Mapping[Dimension, Scale]] = {
    Dimension.MAINTAINABILITY: Scale(0.30, 30.0, 1.0),
    Dimension.COMPLEXITY: Scale(0.25, 15.0, 1.0),
    Dimension.SECURITY: Scale(0.20, 40.0, 0.5),
    Dimension.SECRETS: Scale(0.15, 80.0, 0.0),
    Dimension.SIZE: Scale(0.10, 8.0, 1.0),
}
"""A leaked key is no smaller for standing in much code, and a risk only a little."""

GRADES: Final = ((90.0, "A"), (75.0, "B"), (60.0, "C"), (40.0, "D"), (0.0, "E"))
NO_GRADE: Final = "-"


@dataclass(frozen=True)
class Score:
    """0-100 to one digit, None when there is nothing to score."""

    value: float | None

    @property
    def grade(self) -> str:
        """A to E."""
        if self.value is None:
            return NO_GRADE
        return next(letter for least, letter in GRADES if self.value >= least)


def cost(counts: Counts) -> float:
    """What these findings cost together."""
    return math.fsum(COST[severity] * count for severity, count in counts.items())


def exact(dimension: Dimension, counts: Counts, code_lines: int) -> float:
    """A dimension's score, unrounded: 100 without findings, 50 at the scale's `half`, towards 0 beyond."""
    scale = SCALES[dimension]
    size: float = max(1.0, code_lines / 1000) ** scale.power
    return 100.0 * scale.half / (scale.half + cost(counts) / size)


def overall(counts: Mapping[Dimension, Counts], code_lines: int) -> float:
    """The weighted mean of the dimensions, unrounded."""
    return math.fsum(SCALES[each].weight * exact(each, counts.get(each, {}), code_lines) for each in Dimension)


def dimension_score(dimension: Dimension, counts: Counts, code_lines: int) -> Score:
    """As shown. Without code only secrets can be scored."""
    if code_lines == 0 and dimension is not Dimension.SECRETS:
        return Score(None)
    return Score(math.floor(exact(dimension, counts, code_lines) * 10) / 10)


def overall_score(counts: Mapping[Dimension, Counts], code_lines: int) -> Score:
    """As shown."""
    return Score(math.floor(overall(counts, code_lines) * 10) / 10 if code_lines else None)

"""The gate: conditions on what is new since the baseline, each with a reason. Pure: only a verdict, no effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from forge_kinds.analysis.config import Gate
from forge_kinds.analysis.findings import Severity


class Verdict(StrEnum):
    """How the gate ends."""

    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Facts:
    """What the conditions look at. Scores are 0-100 as shown, None where there is nothing to score."""

    new: Mapping[str, int]
    """New findings that count, by the word of their severity."""
    score: float | None
    score_before: float | None
    new_lines: int | None
    """Lines of new code; None when they can't be known, for the baseline's commit is gone."""
    new_duplicated: int = 0


@dataclass(frozen=True)
class Condition:
    """One condition, and why it holds or not, in a sentence."""

    name: str
    passed: bool
    reason: str

    def document(self) -> dict[str, Any]:
        """For the result."""
        return {"condition": self.name, "passed": self.passed, "reason": self.reason}


def judge(gate: Gate, facts: Facts) -> tuple[Verdict, tuple[Condition, ...]]:
    """Failed when one of the conditions that the gate asks for doesn't hold."""
    found = (condition(gate, facts) for condition in CONDITIONS)
    conditions = tuple(each for each in found if each is not None)
    return Verdict.PASSED if all(each.passed for each in conditions) else Verdict.FAILED, conditions


def no_new_findings(gate: Gate, facts: Facts) -> Condition | None:
    """None of the gate's severity or graver is new."""
    if gate.no_new is None:
        return None
    counts = {severity: facts.new.get(severity.word, 0) for severity in reversed(Severity) if severity >= gate.no_new}
    told = ", ".join(f"{count:,} {severity.word}" for severity, count in counts.items() if count)
    of = f"{gate.no_new.word} severity" + ("" if gate.no_new is Severity.CRITICAL else " or graver")
    return Condition("noNew", not told, f"New findings of {of}: {told or 'none'}.")


def score_not_lower(gate: Gate, facts: Facts) -> Condition | None:
    """The score as shown is not below the baseline's. Where there is nothing to score nothing was lowered."""
    if not gate.score_not_lower:
        return None
    if facts.score is None or facts.score_before is None:
        return Condition("scoreNotLower", True, "There is no code to score on one of the two sides.")
    words = "is lower than" if facts.score < facts.score_before else "is not lower than"
    return Condition(
        "scoreNotLower",
        facts.score >= facts.score_before,
        f"The score of {facts.score:g} {words} the baseline's {facts.score_before:g}.",
    )


def new_code_is_not_copied(gate: Gate, facts: Facts) -> Condition | None:
    """At most so many per cent of the new code's lines are duplicated."""
    limit = gate.max_new_duplication
    if limit is None:
        return None
    if facts.new_lines is None:
        return Condition(
            "maxNewDuplication",
            False,
            "Which lines are new can't be told: the baseline's commit is no longer in the repository; name a ref.",
        )
    share = percent(facts.new_duplicated, facts.new_lines)
    return Condition(
        "maxNewDuplication",
        facts.new_duplicated * 100 <= limit * facts.new_lines,
        f"{facts.new_duplicated:,} of {facts.new_lines:,} new lines of code are duplicated: {share:g} %, "
        f"and {limit:g} % are allowed.",
    )


CONDITIONS: Final[tuple[Callable[[Gate, Facts], Condition | None], ...]] = (
    no_new_findings,
    score_not_lower,
    new_code_is_not_copied,
)


def percent(part: int, whole: int) -> float:
    """To one digit."""
    return round(100 * part / whole, 1) if whole else 0.0

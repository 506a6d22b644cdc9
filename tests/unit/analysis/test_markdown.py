"""The Markdown summary: what a repository says stays text."""

import re

import pytest

from forge_kinds.analysis import markdown
from forge_kinds.analysis.baseline.changes import Changes
from forge_kinds.analysis.baseline.snapshot import Snapshot
from forge_kinds.analysis.baseline.standing import Sides, Standing, standing
from forge_kinds.analysis.config import Baseline, Gate
from forge_kinds.analysis.duplication import find
from forge_kinds.analysis.findings import Finding, Severity, fingerprinted
from tests.unit.analysis.builders import a_finding, a_rule

DOCUMENT = {
    "commit": "d" * 40,
    "codeLines": 1200,
    "score": {"value": 80.0, "grade": "B", "dimensions": {"security": {"value": 70.0}, "size": {"value": None}}},
    "findings": {"total": 3},
    "recommendations": [{"title": "Unused variable", "count": 2, "firstStep": "Delete the assignment."}],
}


def a_snapshot(findings: list[Finding], score: float, commit: str = "c") -> Snapshot:
    scores = {"security": score, "size": None}
    return Snapshot(commit * 40, tuple(fingerprinted(findings)), {"F841": a_rule()}, score, scores, {}, {})


def a_standing(head: list[Finding], base: list[Finding], gate: Gate | None = None) -> Standing:
    sides = Sides(a_snapshot(base, 82.5), a_snapshot(head, 80.0, "d"), Changes(), find({}))
    return standing(Baseline(ref="main"), gate, sides)


def rendered(compared: Standing | None) -> str:
    return markdown.render(DOCUMENT, compared).decode()


def test_without_a_baseline_it_tells_the_score_and_what_to_do() -> None:
    text = rendered(None)
    assert text.startswith("## Analysis: 80 (B)\n\n3 findings.\n")
    assert "| security | 70.0 |" in text
    assert "| size | - |" in text
    assert "1. **Unused variable** (2): Delete the assignment." in text


def test_with_one_it_tells_what_changed_and_why_the_gate_failed() -> None:
    text = rendered(
        a_standing(
            [a_finding(severity=Severity.HIGH)], [a_finding(path="b.py")], Gate.model_validate({"noNew": "high"})
        )
    )
    assert text.startswith("## Gate failed: 80 (B)\n\n**1 new**, 1 fixed, 0 unchanged since `main` (`cccccccccccc`).")
    assert "- ❌ New findings of high severity or graver: 1 high." in text
    assert "| **score** | 82.5 | 80.0 | -2.5 |" in text
    assert "| high | `src/app.py:3` | Local variable is assigned to but never used (`F841`) |" in text


def test_it_is_short_enough_for_a_comment() -> None:
    many = [a_finding(line=n, message="m" * 500, path="p" * 1000 + f"{n}.py") for n in range(1, 500)]
    text = rendered(a_standing(many, []))
    assert len(text) < 65_536
    assert "479 more are in `report.json`." in text


@pytest.mark.parametrize(
    "words",
    [
        "@everyone look", "[click](https://evil.example)", "![x](http://evil.example/p.png)", "<img src=x onerror=y>",
        "a | b\n| c |", "`code` **bold**", "https://evil.example", "www.evil.example", "# title", "$\\evil$",
    ],
)  # fmt: skip
def test_words_of_a_repository_stay_words(words: str) -> None:
    text = rendered(a_standing([a_finding(message=words)], []))
    [row] = [line for line in text.splitlines() if line.startswith("| medium")]
    assert re.sub(r"\\.", "", row).count("|") == 4
    assert not re.search(r"(?<!\\)[<\[\]$*#!]|@e|://|www\.", row)


def test_a_path_can_not_leave_its_place() -> None:
    row = rendered(a_standing([a_finding(path="a`b|c\n<x>.py")], []))
    assert "`a'b\\|c <x>.py:3`" in row

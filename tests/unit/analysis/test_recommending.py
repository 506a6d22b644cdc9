"""Recommendations: one for a rule however many its findings, best first."""

from forge_kinds.analysis.findings import Dimension, Severity
from forge_kinds.analysis.recommending import recommend
from forge_kinds.analysis.rules import COGNITIVE, secret_rule
from forge_kinds.analysis.scoring import overall
from tests.unit.analysis.builders import a_finding, a_ledger, a_rule


def test_500_equal_findings_are_one_recommendation_with_count_and_worst_places() -> None:
    findings = [a_finding(path=f"src/m{n % 7}.py", line=n) for n in range(500)]
    findings += [a_finding(path="src/m3.py", line=n) for n in (900, 901)]
    [one] = recommend(a_ledger(findings), {"F841": a_rule()}, 10_000)
    assert one.count == 502
    assert one.places[0].path == "src/m3.py"
    assert len(one.places) == 5
    assert one.document()["firstStep"].endswith("Begin with src/m3.py.")


def test_points_gained_are_what_the_score_would_rise_by() -> None:
    ledger = a_ledger([a_finding(line=n) for n in range(20)])
    [one] = recommend(ledger, {"F841": a_rule()}, 10_000)
    assert abs(overall(ledger.penalties, 10_000) + one.gain - 100) < 1e-9
    assert one.gain > 0


def test_recommendations_are_ranked_by_points_for_effort() -> None:
    rules = {"F841": a_rule(minutes=15.0), "E741": a_rule("E741", minutes=1.0)}
    findings = [a_finding(line=n) for n in range(30)] + [a_finding(rule="E741", line=n) for n in range(30)]
    made = recommend(a_ledger(findings), rules, 10_000)
    assert [each.rule.id for each in made] == ["E741", "F841"]
    assert made[0].document()["pointsPerHour"] > made[1].document()["pointsPerHour"]


def test_a_leaked_key_comes_before_hundreds_of_small_things() -> None:
    key = secret_rule("AWS Access Key", Severity.CRITICAL)
    leaked = a_finding(rule=key.id, severity=Severity.CRITICAL, dimension=Dimension.SECRETS)
    findings = [leaked, *(a_finding(line=n, severity=Severity.LOW) for n in range(400))]
    made = recommend(a_ledger(findings), {key.id: key, "F841": a_rule()}, 100_000)
    assert made[0].rule == key
    assert "revoke" in made[0].document()["firstStep"]


def test_the_worst_functions_are_a_recommendation_of_their_own() -> None:
    rule = a_rule(
        COGNITIVE, dimension=Dimension.COMPLEXITY, title="Function that is hard to follow", first_step="Split it."
    )
    graded = [
        a_finding(rule=COGNITIVE, line=n, severity=severity, dimension=Dimension.COMPLEXITY)
        for n, severity in enumerate([Severity.HIGH] * 2 + [Severity.LOW] * 50)
    ]
    made = recommend(a_ledger(graded), {COGNITIVE: rule}, 10_000)
    assert [(each.title, each.count) for each in made] == [
        ("Function that is hard to follow, the worst", 2),
        ("Function that is hard to follow, the lesser", 50),
    ]


def test_places_outside_tests_come_before_more_places_in_tests() -> None:
    tests = [a_finding(path="tests/test_app.py", line=n, severity=Severity.INFO) for n in range(9)]
    [one] = recommend(a_ledger([*tests, a_finding(severity=Severity.MEDIUM)]), {"F841": a_rule()}, 10_000)
    assert one.places[0].path == "src/app.py"


def test_suppressed_findings_recommend_nothing() -> None:
    assert recommend(a_ledger([a_finding(suppressed=True)]), {"F841": a_rule()}, 10_000) == ()


def test_what_ruff_can_mend_says_how() -> None:
    [one] = recommend(a_ledger([a_finding()]), {"F841": a_rule(fixable=True)}, 10_000)
    assert "ruff check --select F841 --fix" in one.document()["firstStep"]

"""The score: what it promises whatever the findings."""

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.findings import Dimension, Severity
from forge_kinds.analysis.scoring import (
    COST,
    GRADES,
    SCALES,
    Score,
    cost,
    dimension_score,
    exact,
    overall,
    overall_score,
)

severities = st.sampled_from(Severity)
dimensions = st.sampled_from(Dimension)
counts = st.dictionaries(severities, st.integers(0, 100_000), max_size=5)
tables = st.dictionaries(dimensions, counts, max_size=5)
code = st.integers(0, 10_000_000)


@given(counts, severities, st.integers(1, 1000), dimensions, code)
def test_more_findings_never_make_a_dimension_better(
    before: dict[Severity, int], severity: Severity, more: int, dimension: Dimension, lines: int
) -> None:
    after = {**before, severity: before.get(severity, 0) + more}
    assert exact(dimension, after, lines) <= exact(dimension, before, lines)


@given(tables, dimensions, severities, code)
def test_more_findings_never_make_the_whole_better(
    before: dict[Dimension, dict[Severity, int]], dimension: Dimension, severity: Severity, lines: int
) -> None:
    counted = before.get(dimension, {})
    after = {**before, dimension: {**counted, severity: counted.get(severity, 0) + 1}}
    assert overall(after, lines) <= overall(before, lines)
    if lines:
        shown = overall_score(before, lines).value
        assert shown is not None
        assert overall_score(after, lines).value <= shown  # type: ignore[operator]


@given(tables, code)
def test_every_score_lies_between_0_and_100(table: dict[Dimension, dict[Severity, int]], lines: int) -> None:
    assert 0 <= overall(table, lines) <= 100 + 1e-9
    assert all(0 <= exact(each, table.get(each, {}), lines) <= 100 for each in Dimension)


@given(counts, severities.filter(lambda severity: severity > Severity.INFO), dimensions, code)
def test_a_graver_finding_never_costs_less(
    before: dict[Severity, int], severity: Severity, dimension: Dimension, lines: int
) -> None:
    lesser = Severity(severity - 1)
    graver = {**before, severity: before.get(severity, 0) + 1}
    milder = {**before, lesser: before.get(lesser, 0) + 1}
    assert exact(dimension, graver, lines) <= exact(dimension, milder, lines)


@given(counts, dimensions, st.integers(1, 1_000_000), st.integers(1, 1_000_000))
def test_the_same_findings_in_more_code_never_score_worse(
    table: dict[Severity, int], dimension: Dimension, lines: int, more: int
) -> None:
    assert exact(dimension, table, lines + more) >= exact(dimension, table, lines)


def test_code_without_findings_scores_100() -> None:
    assert overall_score({}, 5000) == Score(100.0)
    assert overall_score({}, 5000).grade == "A"


def test_size_excuses_no_secret() -> None:
    leaked = {Severity.CRITICAL: 1}
    assert exact(Dimension.SECRETS, leaked, 1_000) == exact(Dimension.SECRETS, leaked, 1_000_000)
    assert dimension_score(Dimension.SECRETS, leaked, 1_000_000).grade == "C"


def test_a_tiny_repository_is_held_to_a_thousand_lines() -> None:
    one = {Severity.LOW: 1}
    assert exact(Dimension.MAINTAINABILITY, one, 10) == exact(Dimension.MAINTAINABILITY, one, 1000)


def test_without_code_there_is_no_score_but_for_secrets() -> None:
    assert overall_score({}, 0) == Score(None)
    assert overall_score({}, 0).grade == "-"
    assert dimension_score(Dimension.SIZE, {}, 0).value is None
    assert dimension_score(Dimension.SECRETS, {Severity.HIGH: 1}, 0).value is not None


def test_the_weights_make_a_whole() -> None:
    assert abs(sum(scale.weight for scale in SCALES.values()) - 1) < 1e-9


def test_every_grade_has_its_border() -> None:
    borders = {least: letter for least, letter in GRADES if least > 0}
    assert {Score(least).grade for least in borders} == {"A", "B", "C", "D"}
    assert [Score(least - 0.1).grade for least in sorted(borders)] == ["E", "D", "C", "B"]


def test_costs_rise_with_severity() -> None:
    assert [COST[severity] for severity in Severity] == sorted(COST.values())
    assert cost({Severity.HIGH: 2, Severity.LOW: 1}) == 25.0

"""The tests' own reading of PromQL: it must not overlook a metric."""

import pytest

from tests.builders.promql import Selector, parse


def test_it_finds_metrics_with_their_matchers_and_the_function_around_them() -> None:
    query = parse('sum by (queue) (rate(a_total{status="x, {y}", queue=~"$queue"}[$__rate_interval])) > 0.1 * b')
    assert query.selectors == [
        Selector("a_total", (("status", "=", "x, {y}"), ("queue", "=~", "$queue")), "rate"), Selector("b", (), ""),
    ]  # fmt: skip
    assert query.grouped == {"queue"}


@pytest.mark.parametrize(
    ("expression", "metrics", "grouped"),
    [
        ("a and on (x, y) b unless c", ["a", "b", "c"], {"x", "y"}),
        ("a / ignoring (x) group_left b offset 5m", ["a", "b"], {"x"}),
        ("a * on (x) group_left (z) b", ["a", "b"], {"x", "z"}),
        ("sum(a) by (le)", ["a"], {"le"}),
        ("histogram_quantile(0.9, sum by (le) (increase(a_bucket[1h])))", ["a_bucket"], {"le"}),
        ("forge:x:ratio_rate5m > bool 1.5e3 or absent(b)", ["forge:x:ratio_rate5m", "b"], set()),
        ("(a - b) > Inf # c", ["a", "b"], set()),
        ("sum without (pod) (a{})", ["a"], {"pod"}),
        ("topk(5, a)", ["a"], set()),
    ],
)
def test_it_reads(expression: str, metrics: list[str], grouped: set[str]) -> None:
    query = parse(expression)
    assert [selector.name for selector in query.selectors] == metrics
    assert query.grouped == grouped


@pytest.mark.parametrize("expression", ['{queue="a"}', "sum(a", "a)", 'a{b="c}', "a ? b"])
def test_it_refuses_what_it_can_not_read(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(expression)

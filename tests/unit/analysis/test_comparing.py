"""What is new, unchanged and fixed: examples, and what holds for any two sets of findings."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.baseline.changes import WHOLE, Changes, holds
from forge_kinds.analysis.baseline.comparing import by_severity, compare
from forge_kinds.analysis.findings import Finding, Severity, State, content_digest, fingerprinted
from tests.unit.analysis.builders import a_finding

findings = st.lists(
    st.builds(
        a_finding,
        rule=st.sampled_from(["F841", "S602"]),
        path=st.sampled_from(["a.py", "b.py", "c.py"]),
        line=st.integers(1, 40),
        severity=st.sampled_from(list(Severity)),
        content=st.sampled_from([content_digest(text) for text in ("x = 1", "y = 2")]),
        suppressed=st.booleans(),
    ),
    max_size=25,
)
ranges = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=3).map(
    lambda pairs: tuple(sorted((first, first + more) for first, more in pairs))
)
lines = st.dictionaries(st.sampled_from(["a.py", "b.py", "c.py"]), ranges)
changes = st.builds(Changes, st.sampled_from([{}, {"a.py": "c.py"}]), lines, lines)


def bare(found: Any) -> Counter[Any]:
    """The findings as they were before they were compared."""
    return Counter((each.rule, each.path, each.line, each.content, each.severity, each.suppressed) for each in found)


@given(findings, findings, changes)
def test_new_and_unchanged_are_the_heads_findings_and_fixed_and_unchanged_the_baselines(
    head: list[Finding], base: list[Finding], between: Changes
) -> None:
    told = compare(head, base, between)
    assert bare(told.head) == bare(head)
    assert {each.state for each in told.head} <= {State.NEW, State.UNCHANGED}
    assert {each.state for each in told.fixed} <= {State.ABSENT}
    assert not bare(told.fixed) - bare(base)
    unchanged = sum(each.state is State.UNCHANGED for each in told.head)
    assert unchanged + len(told.fixed) == len(base)


@given(findings, changes)
def test_against_itself_nothing_is_new_whatever_is_said_to_have_changed(head: list[Finding], between: Changes) -> None:
    told = compare(head, head, Changes({}, between.added, between.added))
    assert (told.new, told.fixed) == ((), ())


@given(findings, findings, changes, st.randoms(use_true_random=False))
def test_the_order_of_the_findings_changes_nothing(
    head: list[Finding], base: list[Finding], between: Changes, chance: Any
) -> None:
    told = compare(head, base, between)
    for listed in (head, base):
        chance.shuffle(listed)
    assert compare(head, base, between) == told


@given(findings, st.integers(1, 1000))
def test_findings_survive_lines_that_move(base: list[Finding], by: int) -> None:
    moved = [a_finding(**{**about(each), "line": each.line + by}) for each in base]
    told = compare(moved, base, Changes())
    assert (bare(told.new), told.fixed) == (Counter(), ())


@given(findings)
def test_findings_survive_a_renamed_file(base: list[Finding]) -> None:
    base = [each for each in base if each.path == "a.py"]
    moved = [a_finding(**{**about(each), "path": "new/name.py"}) for each in base]
    assert compare(moved, base, Changes({"a.py": "new/name.py"})).new == ()
    assert len(compare(moved, base, Changes()).fixed) == len(base)


@given(findings, findings, st.integers(0, 24))
def test_one_finding_more_never_makes_less_new(head: list[Finding], base: list[Finding], at: int) -> None:
    fewer = head[:at] + head[at + 1 :]
    assert len(compare(fewer, base, Changes()).new) <= len(compare(head, base, Changes()).new)


def about(finding: Finding) -> dict[str, Any]:
    names = ("rule", "path", "line", "severity", "content", "suppressed")
    return {name: getattr(finding, name) for name in names}


def test_of_equal_findings_the_one_on_an_added_line_is_new() -> None:
    told = compare(
        [a_finding(line=3), a_finding(line=9)], [a_finding(line=3)], Changes(added={"src/app.py": ((2, 4),)})
    )
    assert [(each.line, each.state) for each in told.head] == [(3, State.NEW), (9, State.UNCHANGED)]


def test_of_equal_findings_the_one_on_a_removed_line_is_fixed() -> None:
    removed = Changes(removed={"src/app.py": ((3, 3),)})
    told = compare([a_finding(line=6)], [a_finding(line=3), a_finding(line=9)], removed)
    assert [each.line for each in told.fixed] == [3]


def test_a_finding_that_became_graver_is_new_and_a_lesser_one_is_not() -> None:
    low, high = a_finding(severity=Severity.LOW), a_finding(severity=Severity.HIGH)
    worse, better = compare([high], [low], Changes()), compare([low], [high], Changes())
    assert (len(worse.new), len(worse.fixed)) == (1, 1)
    assert (len(better.new), len(better.fixed)) == (0, 0)


def test_what_a_comment_suppresses_is_not_counted_as_new() -> None:
    told = compare([a_finding(suppressed=True)], [], Changes())
    assert told.head[0].state is State.NEW
    assert told.new == ()
    assert set(by_severity(told.head).values()) == {0}


def test_a_comparison_keeps_each_fingerprint() -> None:
    head = fingerprinted([a_finding(line=n) for n in (3, 6)])
    assert {each.fingerprint for each in compare(head, [], Changes()).head} == {each.fingerprint for each in head}


def test_a_line_is_looked_up_in_ranges() -> None:
    asked = ((2, 4), (9, 9))
    assert [line for line in range(1, 12) if holds(asked, line)] == [2, 3, 4, 9]
    assert holds(WHOLE, 10**6)
    assert not holds((), 1)

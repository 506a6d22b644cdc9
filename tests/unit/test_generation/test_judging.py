"""Whether a test may stay, from what its runs told; and how time is shared out."""

import pytest

from forge_kinds.test_generation.answers import Measured, Run
from forge_kinds.test_generation.budgeting import LONGEST, SHORTEST, Budget
from forge_kinds.test_generation.judging import counts, disturbed, objection


def a_run(outcome: str = "passed", why: str = "", effect: str = "") -> Run:
    return Run(
        exit=0, how="", outcomes={"t": outcome} if outcome else {}, why={"t": why} if why else {},
        effects={"t": effect} if effect else {},
    )  # fmt: skip


RUNS = {
    "it passes each time": ([a_run()] * 3, ""),
    "it fails each time": ([a_run("failed", "E assert 1 == 2")] * 3, "it fails: E assert 1 == 2"),
    "it fails once": ([a_run(), a_run(), a_run("failed", "E x")], "it passes only sometimes: E x"),
    "it fails once and nobody says why": ([a_run(), a_run("failed"), a_run()], "it passes only sometimes"),
    "it is not run once": ([a_run(), a_run(""), a_run()], "it passes only sometimes"),
    "it is never run": ([a_run("")] * 3, "it was not run"),
    "there are no runs": ([], "it was not run"),
    "it is skipped": ([a_run("skipped")] * 3, "it fails"),
    "it is expected to fail": ([a_run("xfailed")] * 3, "it fails"),
    "it reads the clock once": ([a_run(), a_run(effect="it depends on the clock (now)"), a_run()],
                                "it depends on the clock (now)"),
    "it fails and writes": ([a_run("failed", effect="it writes files")] * 3, "it fails"),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
def test_a_test_stays_that_passes_each_time_and_reaches_nothing(case: str) -> None:
    runs, said = RUNS[case]
    assert objection("t", runs) == said


def test_an_endless_reason_is_cut() -> None:
    assert len(objection("t", [a_run("failed", "x" * 1000)])) == 400


def measured(*failing: set[str]) -> Measured:
    runs = tuple(
        Run(exit=0, how="", outcomes=dict.fromkeys(names, "failed"), why={}, effects={}) for names in failing
    )  # fmt: skip
    return Measured(runs=runs, coverage={}, imported={}, contexts={})


def test_own_tests_are_disturbed_when_they_fail_in_each_run_and_passed_before() -> None:
    before = Run(exit=0, how="", outcomes={"a": "passed", "b": "failed", "c": "passed"}, why={}, effects={})
    assert disturbed(before, measured({"a", "b"}, {"a", "b", "c"}, {"a", "b"})) == ("a",)
    assert disturbed(before, measured({"a"}, set(), {"a"})) == ()
    assert disturbed(None, measured({"a"})) == ()
    assert disturbed(before, measured()) == ()
    assert counts(before) == {"failed": 1, "passed": 2}
    assert counts(None) == {}


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_budget_never_exceeds_the_attempt_and_keeps_time_for_the_end() -> None:
    clock = Clock()
    assert Budget.of(480, 1800, 0.0).seconds == 480
    assert Budget.of(480, 300, 0.0).seconds == 270
    assert Budget.of(480, 10, 0.0).seconds == 1
    budget = Budget(480, 0.0, clock)
    assert budget.measuring() == 144
    assert budget.share(1, own_tests=0) == LONGEST
    assert budget.share(100, own_tests=0) == SHORTEST
    clock.at = 440
    assert budget.share(1, own_tests=0) == 20
    assert budget.at_most(20, own_tests=0) == 20
    clock.at = 450
    assert budget.share(1, own_tests=0) == 0
    clock.at = 1000
    assert budget.left < 0
    assert budget.share(1, own_tests=0) == 0
    assert budget.at_most(20, own_tests=0) == budget.measuring() == 1


def test_slow_tests_of_the_repository_are_run_once_in_the_end() -> None:
    clock = Clock()
    budget = Budget(480, 0.0, clock)
    assert budget.reserve(own_tests=10) == 50
    assert budget.reserve(own_tests=100) == 140
    assert (budget.together(own_tests=100), budget.together(own_tests=200)) == (3, 1)
    clock.at = 400
    assert budget.together(own_tests=30) == 1


@pytest.mark.parametrize(("share", "seconds"), [(0, 3), (15, 6), (90, 36)])
def test_a_search_has_whole_seconds_and_some_at_least(share: float, seconds: int) -> None:
    assert Budget.search(share) == seconds

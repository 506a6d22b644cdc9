"""Verdicts over runs of tests: whatever fails by chance speaks against nothing, whatever fails always does."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.refactoring.suites import Ran
from forge_kinds.refactoring.verdicts import Bodies, Verdicts
from forge_runner.sandboxed.telling import MAX_LINE

TREE: Bodies = {"a.py": (b"a.py", b"")}
NAMES = st.sets(st.sampled_from([f"test_{letter}" for letter in "abcdefgh"]))


def failing(*names: str) -> Ran:
    """A run of ten tests in which these failed."""
    return Ran(frozenset(names), {"failed": len({*names}), "passed": 10 - len({*names})})


def never() -> str:
    """There is time for ever."""
    return ""


class Runs:
    """Answers one run after the other, and counts them."""

    def __init__(self, *runs: Ran) -> None:
        self.made = 0
        self._runs: Iterator[Ran] = iter(runs)

    def __call__(self, _bodies: Bodies) -> Ran:
        self.made += 1
        return next(self._runs)


@given(before=NAMES, broken=NAMES, chance=st.lists(NAMES, min_size=8, max_size=8))
def test_only_what_always_fails_with_the_changes_and_passed_before_speaks_against_them(
    before: set[str], broken: set[str], chance: list[set[str]]
) -> None:
    """`broken` fail in every run with the changes; of the others some fail in one of two."""
    steady = broken - before
    verdicts = Verdicts(lambda _bodies: next(turns), failing(*before), never)
    for each in chance:
        turns = iter([failing(*broken, *before, *each), failing(*broken, *before)])
        why = verdicts.objection(TREE)
        assert bool(why) == bool(steady)
        assert all(name in why or "more" in why for name in steady)
    assert verdicts.unsteady == set().union(*chance) - broken - before


def test_a_test_that_fails_once_and_passes_then_is_unsteady_and_told() -> None:
    runs = Runs(failing("test_a"), failing(), failing("test_a"))
    verdicts = Verdicts(runs, failing(), never)
    assert (verdicts.objection(TREE), verdicts.objection(TREE)) == ("", "")
    assert runs.made == 3, "of an unsteady test nothing is to be found out any more"
    assert verdicts.document() == {"unsteady": {"tests": 1, "shown": ["test_a"]}}
    assert "1 test fails by chance" in verdicts.aside()


def test_a_huge_name_is_told_no_further_than_a_line() -> None:
    verdicts = Verdicts(Runs(failing("x" * 1000), failing()), failing(), never)
    assert not verdicts.objection(TREE)
    [name] = verdicts.document()["unsteady"]["shown"]
    assert name == "x" * MAX_LINE


def test_what_failed_twice_is_believed_without_another_run() -> None:
    runs = Runs(failing("test_a"), failing("test_a"), failing("test_a"))
    verdicts = Verdicts(runs, failing(), never)
    assert all("test_a" in verdicts.objection(TREE) for _ in range(2))
    assert runs.made == 3
    assert (verdicts.document(), verdicts.aside()) == ({}, "")


def test_steady_suites_take_one_run_each() -> None:
    runs = Runs(failing("test_b"), failing("test_b"))
    verdicts = Verdicts(runs, failing("test_b"), never)
    assert [verdicts.objection(TREE) for _ in range(2)] == ["", ""]
    assert runs.made == 2
    assert verdicts.last == failing("test_b")


def test_without_time_for_another_run_a_failure_is_believed() -> None:
    verdicts = Verdicts(Runs(failing("test_a")), failing(), lambda: "No time.")
    assert "test_a" in verdicts.objection(TREE)
    assert verdicts.last == failing()


def test_a_second_run_that_breaks_excuses_nothing_and_a_broken_one_is_not_repeated() -> None:
    broken = Ran(broken="pytest ended with code 3: x")
    verdicts = Verdicts(Runs(failing("test_a"), broken, broken), failing(), never)
    assert "test_a" in verdicts.objection(TREE)
    assert "code 3" in verdicts.objection(TREE)
    assert not verdicts.unsteady


def test_a_test_lost_is_an_objection_however_steady_the_others_are() -> None:
    fewer = Ran(frozenset(), {"passed": 9})
    assert "9 instead of 10" in Verdicts(Runs(fewer), failing(), never).objection(TREE)

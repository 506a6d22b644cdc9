"""Which changes are told as made, and which as put back."""

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.refactoring.changes import Change
from forge_kinds.refactoring.fixing import FOLLOW_UP
from forge_kinds.refactoring.held import Held, Remade, rules_in, units_of
from forge_kinds.refactoring.survey import Survey
from forge_runner.sources.patching import Patch

PATHS = ["a.py", "b.py", "c.py", "d.py"]
CHANGES = st.lists(
    st.builds(
        Change,
        st.sampled_from(PATHS),
        st.integers(1, 9),
        st.sampled_from(["rename", "fix", "imports"]),
        st.sampled_from(["R1", "R2", FOLLOW_UP]),
        st.just("because"),
    ),
    unique=True,
    max_size=20,
)


def patch(*paths: str) -> Patch:
    return Patch(b"", tuple(path.encode() for path in paths), 0, 0)


@given(CHANGES)
def test_the_files_of_a_renaming_stay_together_and_each_file_is_in_one_unit(changes: list[Change]) -> None:
    units = units_of(PATHS, changes)
    assert sorted(path for unit in units for path in unit) == PATHS
    renamed = {change.path for change in changes if change.operation == "rename"}
    assert all(set(unit) == renamed for unit in units if renamed.intersection(unit))
    assert not renamed.intersection(rules_in(changes))
    assert all(FOLLOW_UP not in rules for rules in rules_in(changes).values())


@given(CHANGES, st.sets(st.sampled_from(PATHS)), st.sets(st.sampled_from(PATHS)))
def test_every_change_of_a_whole_file_is_told_once(changes: list[Change], inside: set[str], refused: set[str]) -> None:
    inside -= refused
    kept, undone = Held(Survey(), dict.fromkeys(refused, "no")).sorted_out(changes, patch(*inside))
    assert sorted([*kept, *(each.change for each in undone)]) == sorted(changes)
    assert {change.path for change in kept} <= inside
    assert all(each.why == "no" for each in undone if each.change.path in refused)


def test_of_a_file_that_was_changed_anew_its_new_changes_are_told_and_what_was_left_out() -> None:
    was = [Change("a.py", line, "fix", rule, "because") for line, rule in ((1, "R1"), (2, "R2"), (3, FOLLOW_UP))]
    now = (Change("a.py", 2, "fix", "R2", "because"), Change("a.py", 4, "imports", "R3", "because"))
    held = Held(Survey(), {}, {"a.py": Remade(now, {"R1": "a test fails"})})
    kept, undone = held.sorted_out(was, patch("a.py"))
    assert kept == sorted(now)
    assert [(each.change, each.why) for each in undone] == [(was[0], "a test fails")]


def test_a_file_that_came_out_as_it_was_has_no_change_to_tell() -> None:
    was = [Change("a.py", 1, "fix", "R1", "because")]
    kept, undone = Held(Survey(), {}, {"a.py": Remade((), {"R1": "a test fails"})}).sorted_out(was, patch())
    assert (kept, [each.why for each in undone]) == ([], ["a test fails"])

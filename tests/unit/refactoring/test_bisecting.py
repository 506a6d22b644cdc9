"""The search for changes that hold together, by property: against any rule of what fails."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.refactoring.bisecting import Search

UNITS = st.lists(st.integers(0, 60), unique=True, max_size=40)
CULPRITS = st.sets(st.integers(0, 60), max_size=8)


def never_spent() -> str:
    """There is time for ever."""
    return ""


@given(UNITS, CULPRITS)
def test_each_culprit_is_dropped_and_all_others_are_kept(units: list[int], culprits: set[int]) -> None:
    settled: list[int] = []
    trials: list[list[int]] = []

    def objection(tried: Sequence[int]) -> str:
        trials.append(list(tried))
        bad = sorted(culprits & set(tried))
        return f"because of {bad[0]}" if bad else ""

    found = Search(objection, never_spent, settled.append).run(units)
    assert found.kept == [unit for unit in units if unit not in culprits]
    assert dict(found.dropped) == {unit: f"because of {unit}" for unit in units if unit in culprits}
    assert sum(settled) == len(units)
    assert len(trials) <= 1 + 2 * len(culprits) * max(1, len(units).bit_length())


@given(UNITS, st.sets(st.frozensets(st.integers(0, 60), min_size=1, max_size=3), max_size=6))
def test_what_is_kept_was_tried_together_also_where_changes_only_fail_together(
    units: list[int], conflicts: set[frozenset[int]]
) -> None:
    held: list[set[int]] = [set()]

    def objection(tried: Sequence[int]) -> str:
        if any(conflict <= set(tried) for conflict in conflicts):
            return "it fails"
        held.append(set(tried))
        return ""

    found = Search(objection, never_spent).run(units)
    assert set(found.kept) == held[-1]
    assert sorted([*found.kept, *(unit for unit, _why in found.dropped)]) == sorted(units)


@given(UNITS, CULPRITS, st.integers(0, 10))
def test_when_the_time_is_over_what_was_not_tried_is_dropped_and_says_so(
    units: list[int], culprits: set[int], allowed: int
) -> None:
    tries = 0

    def objection(tried: Sequence[int]) -> str:
        nonlocal tries
        tries += 1
        return "it fails" if culprits & set(tried) else ""

    found = Search(objection, lambda: "no time" if tries >= allowed else "").run(units)
    assert tries <= allowed
    assert not culprits & set(found.kept)
    assert len(found.kept) + len(found.dropped) == len(units)

"""The order of bench-faults: every round once, and beside a long one only what needs nothing of what it takes away."""

from hypothesis import given
from hypothesis import strategies as st

from bench.faults.faults import APART, FAULTS, SLOW
from bench.faults.plan import BESIDE, rounds, turns


@given(st.integers(), st.dictionaries(st.sampled_from(list(FAULTS)), st.integers(1, 9)))
def test_every_round_has_its_turn_once(seed: int, times: dict[str, int]) -> None:
    plan = rounds(seed, times)
    found = turns(plan, SLOW, APART)
    assert sorted(each.number for turn in found for each in (turn.first, *turn.beside)) == list(range(len(plan)))
    assert [turn.first.number for turn in found] == sorted(turn.first.number for turn in found)
    for turn in found:
        assert len(turn.beside) <= (BESIDE if turn.first.fault in SLOW else 0)
        assert {each.fault for each in turn.beside} <= APART


def test_a_long_round_leaves_none_waiting_that_could_be_beside_it() -> None:
    plan = rounds(1, dict.fromkeys(FAULTS, 20))
    early = next(turn for turn in turns(plan, SLOW, APART) if turn.first.fault in SLOW)
    assert len(early.beside) == BESIDE


def test_no_fault_is_both() -> None:
    assert not SLOW & APART

"""A run of bench-faults that was broken off goes on with the first leg that was not checked."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.faults.account import LEG, Account, total
from bench.faults.plan import KILL, rounds


def _leg(rounds: int, **more: object) -> dict[str, object]:
    return {"rounds": rounds, "violations": 0, **more}


def test_what_was_checked_is_not_done_again_and_nothing_is_left_out(tmp_path: Path) -> None:
    plan = rounds(7, {KILL: LEG, "pod evicted": LEG})
    account = Account(tmp_path / "faults-7.json")
    assert [each for leg in account.left(plan) for each in leg] == plan
    done = account.left(plan)[0]
    account.add(_leg(len(done)))
    again = Account(account.path)
    assert [*done, *(each for leg in again.left(plan) for each in leg)] == plan
    for leg in again.left(plan):
        again.add(_leg(len(leg)))
    assert again.left(plan) == []
    again.close()
    assert account.left(plan)[0] == done


def test_a_leg_that_was_written_in_half_is_done_again(tmp_path: Path) -> None:
    account = Account(tmp_path / "faults-7.json")
    account.add(_leg(3))
    account.path.with_suffix(".new").write_text('[{"rounds": 3')
    assert account.legs() == [_leg(3)]


@given(st.lists(st.integers(0, 90), max_size=5))
def test_the_total_counts_each_leg_once(settled: list[int]) -> None:
    legs = [_leg(2, faults={KILL: 1, f"f{number}": 2}, settle_s=s, jobs=s) for number, s in enumerate(settled)]
    found = total(legs)
    assert found["legs"] == len(settled)
    assert found.get("jobs", 0) == sum(settled)
    assert found.get("settle_s", 0) == max(settled, default=0)
    assert found.get("faults", {}) == {KILL: len(legs), **{f"f{n}": 2 for n in range(len(legs))}} if legs else True

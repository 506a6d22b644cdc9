"""Who failed pauses twice as long after each failure in a row, up to a longest pause."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from forge_core.pauses import Pauses

SECONDS = st.floats(0, 3600)


def test_pauses_double_up_to_the_longest() -> None:
    assert [Pauses(1.0, 30.0).after(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_nobody_pauses_who_did_not_fail() -> None:
    assert Pauses(1.0, 30.0).after(0) == 0


def test_one_after_another_they_have_no_end_and_begin_anew_each_time() -> None:
    pauses = Pauses(0.5, 5.0)
    assert list(islice(pauses, 6)) == list(islice(pauses, 6)) == [0.5, 1, 2, 4, 5, 5]


@given(SECONDS, SECONDS, st.integers(0, 10**9))
def test_no_pause_is_over_the_longest_or_shorter_than_the_one_before(first: float, longest: float, times: int) -> None:
    pauses = Pauses(first, longest)
    assert 0 <= pauses.after(times) <= pauses.after(times + 1) <= longest


@given(SECONDS, SECONDS, st.integers(1, 100))
def test_a_pause_is_twice_the_one_before_until_it_is_the_longest(first: float, longest: float, times: int) -> None:
    pauses = Pauses(first, longest)
    assert pauses.after(times + 1) == min(2 * pauses.after(times), longest) or times > 30

"""Who failed rests for a growing while."""

from hypothesis import given
from hypothesis import strategies as st

from forge_operator.outbox.rests import LONGEST_SECONDS, Rests, pause_after


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_after(times) for times in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


@given(st.integers(0, 10_000))
def test_no_pause_is_longer_than_the_longest_or_shorter_than_the_one_before(times: int) -> None:
    assert 1 <= pause_after(times) <= pause_after(times + 1) <= LONGEST_SECONDS


def test_only_who_failed_rests_and_only_until_its_time() -> None:
    rests = Rests()
    assert rests.failed("a", 100.0) == 1.0
    assert rests.resting("a", 100.9)
    assert not rests.resting("a", 101.0)
    assert not rests.resting("b", 100.0)


def test_who_works_again_begins_from_the_shortest_pause() -> None:
    rests = Rests()
    for _ in range(5):
        rests.failed("a", 0.0)
    assert rests.times("a") == 5
    assert rests.worked("a")
    assert not rests.worked("a")
    assert rests.failed("a", 0.0) == 1.0


def test_who_asks_for_more_rest_gets_it() -> None:
    assert Rests().failed("a", 0.0, at_least=120.0) == 120.0

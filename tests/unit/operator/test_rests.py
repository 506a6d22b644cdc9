"""Who failed rests for a growing while."""

from forge_core.pauses import Pauses
from forge_operator.rests import FORGET_SECONDS, KEPT, Rests

PAUSES = Pauses(1.0, 30.0)


def test_only_who_failed_rests_and_only_until_its_time() -> None:
    rests = Rests(PAUSES)
    assert rests.failed("a", 100.0) == 1.0
    assert rests.resting("a", 100.9)
    assert not rests.resting("a", 101.0)
    assert not rests.resting("b", 100.0)


def test_who_fails_again_rests_longer() -> None:
    rests = Rests(PAUSES)
    assert [rests.failed("a", 0.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert rests.failed("b", 0.0) == 1.0


def test_who_works_again_begins_from_the_shortest_pause() -> None:
    rests = Rests(PAUSES)
    for _ in range(5):
        rests.failed("a", 0.0)
    assert rests.times("a") == 5
    assert rests.worked("a")
    assert not rests.worked("a")
    assert rests.failed("a", 0.0) == 1.0


def test_who_asks_for_more_rest_gets_it() -> None:
    assert Rests(PAUSES).failed("a", 0.0, at_least=120.0) == 120.0


def test_of_too_many_those_are_forgotten_that_nobody_tried_for_long() -> None:
    rests = Rests(PAUSES)
    for number in range(KEPT):
        rests.failed(f"old-{number}", 0.0)
    later = 1.0 + FORGET_SECONDS
    assert rests.times("old-0") == 1
    rests.failed("new", later)
    assert (rests.times("old-0"), rests.times("new")) == (0, 1)


def test_who_still_rests_is_never_forgotten() -> None:
    rests = Rests(PAUSES)
    for number in range(KEPT + 10):
        rests.failed(f"{number}", 0.0)
    assert all(rests.resting(f"{number}", 0.5) for number in range(KEPT + 10))

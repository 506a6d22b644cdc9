"""What follows a failed attempt."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.assignment import Backoff
from forge_core.attempts import Claim
from forge_core.exits import Exit, FailureClass
from forge_runner.retrying import Again, Failure, Stop, after

EXPONENTIAL = Backoff(type="exponential", delay=2, max_delay=16)


def failed(failure_class: FailureClass) -> Failure:
    return Failure(failure_class, "It failed.")


@pytest.mark.parametrize(("attempt", "pause"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 16)], ids=str)
def test_the_pause_doubles_up_to_its_cap(attempt: int, pause: float) -> None:
    claim = Claim(attempt=attempt, attempts=10)
    assert after(failed(FailureClass.TRANSIENT), claim, EXPONENTIAL, 0.7) == Again(pause, likely=True)


def test_the_last_attempt_of_the_budget_is_asked_about_without_a_pause_first() -> None:
    follows = after(failed(FailureClass.TIMEOUT), Claim(attempt=3, attempts=3), EXPONENTIAL, 0.7)
    assert follows == Again(8, likely=False)


def test_a_permanent_failure_stops_whatever_the_budget() -> None:
    follows = after(failed(FailureClass.PERMANENT), Claim(attempt=1, attempts=3), EXPONENTIAL, 0.7)
    assert follows == Stop(Exit.PERMANENT)


def test_a_disruption_ends_the_pod_but_not_the_job() -> None:
    follows = after(failed(FailureClass.DISRUPTION), Claim(attempt=1, attempts=3), EXPONENTIAL, 0.7)
    assert follows == Stop(Exit.INTERRUPTED)


@given(st.sampled_from(FailureClass), st.integers(1, 20), st.integers(1, 20))
def test_nothing_is_tried_again_that_another_attempt_cannot_help(
    failure_class: FailureClass, attempt: int, attempts: int
) -> None:
    follows = after(failed(failure_class), Claim(attempt=attempt, attempts=attempts), EXPONENTIAL, 0.7)
    if isinstance(follows, Again):
        assert failure_class.retryable
        assert 0 <= follows.pause <= EXPONENTIAL.max_delay
    else:
        assert follows.exit in {Exit.PERMANENT, Exit.INTERRUPTED}


@given(
    st.sampled_from(["exponential", "fixed", "none"]),
    st.floats(0, 3600),
    st.floats(0, 3600),
    st.integers(1, 20),
    st.floats(0, 1, exclude_max=True),
)
def test_jitter_only_ever_lengthens_a_pause_and_by_half_at_most(
    kind: Literal["exponential", "fixed", "none"], delay: float, most: float, attempt: int, chance: float
) -> None:
    exact = Backoff(type=kind, delay=delay, max_delay=most)
    asked = exact.pause_after(attempt)
    claim = Claim(attempt=attempt, attempts=20)
    follows = after(failed(FailureClass.TRANSIENT), claim, exact.changed(jitter=True), chance)
    assert isinstance(follows, Again)
    assert asked <= follows.pause <= 1.5 * asked
    assert after(failed(FailureClass.TRANSIENT), claim, exact, chance) == Again(asked, likely=attempt < 20)


def test_a_wait_that_the_other_side_asked_for_is_kept_as_far_as_the_queue_goes() -> None:
    def pause(wait: float, backoff: Backoff = EXPONENTIAL) -> float:
        asked = Failure(FailureClass.TRANSIENT, "Busy.", wait=wait)
        follows = after(asked, Claim(attempt=1, attempts=5), backoff, 0.7)
        assert isinstance(follows, Again)
        return follows.pause

    assert [pause(wait) for wait in (0, 1, 7, 16, 3600)] == [2, 2, 7, 16, 16]
    assert pause(3600, Backoff(type="fixed", delay=5)) == 30
    assert pause(3600, Backoff(type="none")) == 0


def test_a_deadline_allows_for_the_longest_jitter() -> None:
    assert EXPONENTIAL.total(3) == 6
    assert EXPONENTIAL.changed(jitter=True).total(3) == 9

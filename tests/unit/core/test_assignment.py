"""What a runner is given, and the exact backoffs of ADR-006."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.assignment import Assignment, Backoff, Repository
from forge_core.wire import Unreadable


def assignment() -> Assignment:
    return Assignment(
        uid="u-1",
        name="job",
        tenant="demo",
        queue="analysis",
        kind="analysis",
        attempts=3,
        backoff=Backoff(type="exponential", delay=2),
        timeout=900,
        repository=Repository(url="https://example.com/x.git", ref="main"),
        config={"paths": ["src"]},
    )


def test_an_assignment_reads_back() -> None:
    assert Assignment.decode(assignment().encode()) == assignment()


def test_an_assignment_over_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        Assignment.decode(" " * 33_000)


@pytest.mark.parametrize("text", ["", "{}", "null", '{"uid": 1}', "\x00"])
def test_an_assignment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        Assignment.decode(text)


@pytest.mark.parametrize(
    ("config", "keeps"),
    [
        ({}, True),
        ({"cache": True}, True),
        ({"cache": None}, True),
        ({"cache": "false"}, True),
        ({"cache": False}, False),
    ],
)
def test_a_job_of_a_repository_has_a_cache_unless_it_wants_none(config: dict[str, object], keeps: bool) -> None:
    assert assignment().changed(config=config).keeps_cache is keeps
    assert not assignment().changed(config=config, repository=None).keeps_cache


def test_webhooks_pause_1_2_4_and_8_seconds() -> None:
    backoff = Backoff(type="exponential", delay=1, max_delay=16)
    assert [backoff.pause_after(failed) for failed in range(1, 5)] == [1, 2, 4, 8]
    assert backoff.pause_after(9) == 16
    assert backoff.total(5) == 15


def test_refactoring_pauses_5_seconds_each_time() -> None:
    backoff = Backoff(type="fixed", delay=5)
    assert [backoff.pause_after(failed) for failed in range(1, 4)] == [5, 5, 5]


def test_no_backoff_does_not_pause() -> None:
    assert Backoff().total(10) == 0


@given(st.integers(1, 10_000), st.floats(0, 3600), st.floats(0, 3600))
def test_a_pause_never_exceeds_the_cap(failed: int, delay: float, cap: float) -> None:
    assert 0 <= Backoff(type="exponential", delay=delay, max_delay=cap).pause_after(failed) <= cap

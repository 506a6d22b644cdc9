"""Views of what the API server stored."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.phase import Phase
from forge_core.resource import Invalid, JobSpec, QueueSpec

QUEUE = {
    "jobType": "analysis",
    "concurrency": 10,
    "retry": {"attempts": 3, "backoff": {"type": "exponential", "delay": "2s", "maxDelay": "1m"}},
    "timeout": "15m",
    "sla": {"limit": "5m"},
    "rateLimit": {"max": 100, "per": "60s"},
    "resourceClasses": {"small": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}},
    "defaultResourceClass": "small",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def test_durations_of_a_queue_are_held_in_seconds() -> None:
    queue = QueueSpec.read(QUEUE)
    assert queue.timeout == 900
    assert queue.retry.backoff.policy().max_delay == 60
    assert queue.rate_limit is not None
    assert (queue.rate_limit.max, queue.rate_limit.per) == (100, 60)
    assert queue.retention.failed.count == 5000


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"timeout": "soon"}, "timeout.*15m"),
        ({"concurrency": -1}, "concurrency"),
        ({"defaultResourceClass": "huge"}, "not one of resourceClasses"),
        ({"retry": {"attempts": 0}}, "retry.attempts"),
    ],
)
def test_a_queue_that_cannot_be_carried_out_says_which_field(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        QueueSpec.read({**QUEUE, **change})


@given(JSON)
def test_whatever_slipped_through_is_read_or_invalid(raw: object) -> None:
    for view in (JobSpec, QueueSpec):
        with suppress(Invalid):
            view.read(raw)


def test_three_phases_are_terminal() -> None:
    assert [phase.value for phase in Phase if phase.terminal] == ["Completed", "Failed", "Cancelled"]

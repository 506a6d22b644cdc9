"""Silence is only what we could have heard."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.resource import FIRST_BEAT, QueueSpec, StallSpec
from forge_operator.pulses import LATE_SECONDS, Looked, Pulse, Pulses
from forge_operator.stalls import is_stalled

BEGAN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
AFTER = 60.0
QUEUE = QueueSpec.model_validate(
    {"jobType": "analysis", "concurrency": 1, "timeout": "15m", "stall": {"after": f"{AFTER:g}s"}}
)


def beat(number: int) -> datetime:
    return BEGAN + timedelta(seconds=number)


@dataclass
class Watching:
    """One pod and one operator that looks each `pace` seconds."""

    pulses: Pulses = field(default_factory=Pulses)
    at: float = 1000.0
    last: datetime | None = None
    pod: str = "pod-1"

    def looks(self, times: int, *, every: float = 1.0) -> "Watching":
        for _ in range(times):
            self.at += every
            self.pulses.look("uid", Looked("demo", self.pod, BEGAN, self.last), self.at)
        return self

    def stalled(self) -> bool:
        pulse = self.pulses.silent.get("uid")
        return pulse is not None and is_stalled(pulse, QUEUE, heard=self.pulses.heard(pulse))


def test_a_pod_that_stops_beating_is_stalled_after_the_limit_and_not_before() -> None:
    watching = Watching(last=beat(1)).looks(1)
    assert not watching.looks(59).stalled()
    assert watching.looks(1).stalled()


def test_every_change_of_the_beat_is_a_sign_of_life_also_one_into_the_past() -> None:
    watching = Watching(last=beat(500)).looks(59)
    watching.last = beat(2)  # its node's clock was set back
    assert not watching.looks(50).stalled()


def test_nothing_counts_across_a_time_in_which_redis_was_away() -> None:
    watching = Watching(last=beat(1)).looks(59)
    watching.pulses.interrupted()
    assert not watching.looks(60).stalled()
    assert watching.looks(1).stalled()


def test_a_redis_that_was_emptied_begins_the_silence_anew() -> None:
    watching = Watching(last=beat(1)).looks(59)
    watching.last = None
    assert not watching.looks(60).stalled()
    assert watching.looks(1).stalled(), "it never came back"


def test_an_operator_that_was_late_itself_has_not_watched() -> None:
    watching = Watching(last=beat(1)).looks(59)
    assert not watching.looks(1, every=300).stalled()
    assert not watching.looks(59).stalled()
    assert watching.looks(1).stalled()


def test_ten_thousand_jobs_are_looked_at_less_often_and_judged_alike() -> None:
    watching = Watching(last=beat(1))
    watching.pulses.pace = 20.0
    assert not watching.looks(3, every=22).stalled()
    assert watching.looks(1, every=22).stalled()


def test_a_successor_is_not_charged_with_its_predecessor_s_silence() -> None:
    watching = Watching(last=BEGAN - timedelta(seconds=90)).looks(61)
    watching.pod = "pod-2"
    assert not watching.looks(61).stalled()
    watching.last = beat(3)
    assert not watching.looks(60).stalled()
    assert watching.looks(2).stalled()


def test_a_pod_that_was_never_heard_hangs_only_if_others_of_its_tenant_are_heard_and_late() -> None:
    watching = Watching().looks(int(FIRST_BEAT) + 1)
    assert not watching.stalled(), "perhaps the way to Redis is shut"
    for number in range(2):
        watching.pulses.look("other", Looked("demo", "pod-o", BEGAN, beat(number)), watching.at)
    assert watching.looks(1).stalled()
    other_tenant = Watching().looks(int(FIRST_BEAT) + 1)
    for number in range(2):
        other_tenant.pulses.look("other", Looked("acme", "pod-o", BEGAN, beat(number)), other_tenant.at)
    assert not other_tenant.stalled()


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({}, FIRST_BEAT),
        ({"after": "10s"}, FIRST_BEAT),
        ({"after": "2m"}, 600.0),
        ({"after": "15s", "startup": "45s"}, 45.0),
        ({"after": "2m", "startup": "10s"}, 120.0),
        ({"startup": "6h"}, 21600.0),
    ],
)
def test_the_first_heartbeat_may_take_as_long_as_its_queue_says(asked: dict[str, str], first: float) -> None:
    assert StallSpec.model_validate(asked).first == first


def test_who_has_no_running_pod_any_more_is_forgotten() -> None:
    watching = Watching(last=beat(1)).looks(100)
    assert watching.stalled()
    watching.pulses.keep(set())
    assert not watching.pulses.silent


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.floats(0.5, 40)),
        st.tuples(st.just("beat"), st.just(0.0)),
        st.tuples(st.just("away"), st.just(0.0)),
        st.tuples(st.just("emptied"), st.just(0.0)),
    ),
    max_size=120,
)


@given(STEPS)
def test_whoever_is_stalled_was_looked_at_all_the_time_and_never_seen_to_beat(
    steps: list[tuple[str, float]],
) -> None:
    """Against the plain truth: all looks of the last `after` seconds found the same beat, and none was missed."""
    watching, number = Watching(last=beat(0)).looks(1), 0
    seen: list[tuple[float, datetime | None, bool]] = [(watching.at, watching.last, True)]
    broken = False
    for what, seconds in steps:
        if what == "look":
            watching.looks(1, every=seconds)
            missed = broken or seconds > 2 * watching.pulses.pace + LATE_SECONDS
            seen.append((watching.at, watching.last, missed))
            broken = False
        elif what == "beat":
            number += 1
            watching.last = beat(number)
        elif what == "emptied":
            watching.last = None
        else:
            watching.pulses.interrupted()
            broken = True
        assert watching.stalled() == (not broken and _silent(seen))


def _silent(seen: list[tuple[float, datetime | None, bool]]) -> bool:
    """Whether the looks since the last change or the last missed moment span `after` seconds."""
    end, last, _ = seen[-1]
    start = end
    for (at, found, missed), (_, before, _) in zip(reversed(seen[1:]), reversed(seen[:-1]), strict=True):
        start = at
        if missed or (found is not None and found != before) or (found is None and before is not None):
            return end - start >= AFTER - 1e-6
    return end - seen[0][0] >= AFTER - 1e-6 and last is not None


@given(st.floats(0, 10_000), st.booleans(), st.booleans())
def test_the_rule_never_fires_before_the_limit(silence: float, begun: bool, heard: bool) -> None:
    pulse = Pulse("demo", "pod", 0.0, None, begun, silence)
    if is_stalled(pulse, QUEUE, heard=heard):
        assert silence >= AFTER
        assert begun or (heard and silence >= FIRST_BEAT)
    else:
        assert silence < AFTER or not begun

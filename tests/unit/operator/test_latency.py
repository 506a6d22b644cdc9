"""The time from what let a job start to its Job."""

from dataclasses import dataclass, field

from forge_operator.admission.latency import Latency


@dataclass
class Watch:
    """A latency with a clock that stands still until it is set."""

    now: float = 100.0
    told: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.latency = Latency(lambda queue, seconds: self.told.append((queue, seconds)), lambda: self.now)


def test_it_counts_from_the_change_that_the_decision_answered() -> None:
    watch = Watch()
    watch.latency.decided(["a"], 99.5, ())
    watch.now = 100.25
    watch.latency.made("analysis", "a")
    assert watch.told == [("analysis", 0.75)]


def test_a_start_that_is_decided_again_counts_from_the_first_time() -> None:
    watch = Watch()
    watch.latency.decided(["a", "b"], 98.0, ())
    watch.latency.decided(["a"], 99.0, ["b"])
    watch.latency.made("analysis", "a")
    watch.latency.made("analysis", "b")
    assert watch.told == [("analysis", 2.0), ("analysis", 2.0)]


def test_a_start_that_was_withdrawn_begins_anew() -> None:
    watch = Watch()
    watch.latency.decided(["a"], 90.0, ())
    watch.latency.decided([], 91.0, ())
    watch.latency.decided(["a"], 99.0, ())
    watch.latency.made("analysis", "a")
    assert watch.told == [("analysis", 1.0)]


def test_what_a_cut_round_left_over_counts_from_the_change_that_round_answered() -> None:
    watch = Watch()
    watch.latency.decided(["a"], 98.0, (), cut=True)
    watch.latency.decided(["b"], 99.0, ["a"], cut=True)
    watch.latency.decided(["c"], 99.5, ["a", "b"])
    watch.latency.decided(["d"], 99.75, ["a", "b", "c"])
    for uid in "abcd":
        watch.latency.made("analysis", uid)
    assert [seconds for _, seconds in watch.told] == [2.0, 2.0, 2.0, 0.25]


def test_a_job_that_was_found_and_never_decided_is_not_told() -> None:
    watch = Watch()
    watch.latency.made("analysis", "a")
    watch.latency.decided(["a"], 99.0, ())
    watch.latency.made("analysis", "a")
    watch.latency.made("analysis", "a")
    assert watch.told == [("analysis", 1.0)]

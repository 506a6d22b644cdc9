"""AnalysisJobs leave the cluster by age and count, only when the history holds their end, and a few at a time."""

import random
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forge_operator.actions import RetireAnalysisJob
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from forge_operator.retiring import RETIRED_A_SECOND, retiring
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    ago,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_queue,
    with_status,
)

RETENTION = {"completed": {"age": "1h", "count": 3}, "failed": {"age": "2h", "count": 5}}
HOUR = 3600.0


def ended(
    name: str, *, since: float, phase: str = "Completed", queue: str = "analysis", namespace: str = NAMESPACE
) -> Raw:
    job = make_job(name, queue=queue, namespace=namespace, age=since + 60)
    return with_status(job, phase=phase, completedAt=ago(since))


def uid_of(raw: Raw) -> str:
    return str(raw["metadata"]["uid"])


def pictured(*jobs: Raw, recorded: bool = True, **queue: Any) -> Picture:
    queues = [(Kind.JOB_QUEUE, make_queue(version=6, **{"retention": RETENTION, **queue}))]
    picture = make_picture([*queues, *((Kind.ANALYSIS_JOB, job) for job in jobs)])
    if recorded:
        picture.recorded(map(uid_of, jobs))
    return picture


def retired(picture: Picture) -> list[str]:
    return [action.name for action in retiring(picture, NOW)]


def test_a_job_older_than_its_rule_goes_and_a_younger_one_stays() -> None:
    jobs = [ended("old", since=HOUR + 1), ended("young", since=HOUR - 1)]
    assert retired(pictured(*jobs)) == ["old"]


def test_of_more_than_the_count_the_oldest_go() -> None:
    jobs = [ended(f"job-{since}", since=since) for since in (50, 10, 40, 20, 30)]
    assert retired(pictured(*jobs)) == ["job-50", "job-40"]


def test_failed_jobs_have_a_rule_of_their_own_and_cancelled_ones_follow_the_completed() -> None:
    times = (HOUR + 1, 2 * HOUR + 1)
    jobs = [
        ended(f"{phase}-{since:.0f}".lower(), since=since, phase=phase)
        for phase in ("Failed", "Cancelled")
        for since in times
    ]
    assert retired(pictured(*jobs)) == ["cancelled-7201", "failed-7201", "cancelled-3601"]


def test_what_the_history_does_not_hold_stays_but_counts() -> None:
    unrecorded = [ended(f"unrecorded-{since}", since=since) for since in (60, 50)]
    recorded = [ended(f"recorded-{since}", since=since) for since in (40, 30, 20)]
    picture = pictured(*unrecorded, *recorded, recorded=False)
    picture.recorded(map(uid_of, recorded))
    assert retired(picture) == [], "the two too many are not recorded"
    picture.recorded(map(uid_of, unrecorded))
    assert retired(picture) == ["unrecorded-60", "unrecorded-50"]


def test_an_open_job_is_never_retired_however_old() -> None:
    for phase in ("Queued", "Running", "Cancelling"):
        job = with_status(make_job(age=1e6), phase=phase)
        picture = pictured(job)
        assert not [action for action in decide(picture, NOW) if isinstance(action, RetireAnalysisJob)]


def test_nothing_goes_while_postgresql_is_away() -> None:
    picture = pictured(ended("old", since=2 * HOUR))
    picture.dependency("PostgreSQL", "no answer")
    assert retired(picture) == []
    picture.dependency("PostgreSQL", "")
    assert retired(picture) == ["old"]


def test_a_queue_that_is_gone_keeps_what_the_design_keeps_and_one_that_cannot_be_read_keeps_all() -> None:
    jobs = [ended("day", since=25 * HOUR, queue="gone"), ended("hours", since=23 * HOUR, queue="gone")]
    assert retired(pictured(*jobs)) == ["day"]
    assert retired(pictured(ended("old", since=1e6), timeout="for ever")) == []


def test_a_second_has_a_budget_and_the_next_another() -> None:
    picture = pictured(*(ended(f"job-{number:03}", since=2 * HOUR) for number in range(50)))
    assert len(retired(picture)) == RETIRED_A_SECOND
    for _ in range(RETIRED_A_SECOND - 1):
        picture.retired(NOW)
    assert len(retired(picture)) == 1
    later = NOW + timedelta(seconds=1)
    assert len(retiring(picture, later)) == RETIRED_A_SECOND


def test_everything_else_goes_before_a_retirement() -> None:
    picture = pictured(ended("old", since=2 * HOUR), make_job("waits"))
    assert [type(action).__name__ for action in decide(picture, NOW)][-1] == "RetireAnalysisJob"


def test_a_retirement_carries_the_version_that_it_was_decided_from_and_what_is_being_deleted_is_left_alone() -> None:
    old = ended("old", since=2 * HOUR)
    picture = pictured(old)
    [action] = retiring(picture, NOW)
    assert action == RetireAnalysisJob(uid_of(old), NAMESPACE, "old", 11)
    old["metadata"] |= {"deletionTimestamp": ago(1), "resourceVersion": "12"}
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", old)
    assert retired(picture) == []


def test_a_job_that_went_is_forgotten_and_its_job_does_not_bring_it_back() -> None:
    old = ended("old", since=2 * HOUR)
    picture = pictured(old)
    picture.observe(Kind.JOB, "ADDED", make_child(old, active=0))
    picture.observe(Kind.ANALYSIS_JOB, "DELETED", old)
    picture.recorded([uid_of(old)])
    assert retired(picture) == []
    assert picture.ended.shelves() == []


# --- by property -----------------------------------------------------------------------------------------------------

JOBS = st.lists(
    st.tuples(
        st.sampled_from(["analysis", "other", "gone"]),
        st.sampled_from(["Completed", "Failed", "Cancelled", "Running", "Queued"]),
        st.sampled_from([0.0, 1.0, 59.0, 60.0, 61.0, 3600.0, 90_000.0, 700_000.0]),
        st.booleans(),
    ),
    max_size=40,
)
RULES = st.fixed_dictionaries({"age": st.sampled_from(["0s", "60s", "1h"]), "count": st.integers(0, 12)})
SECONDS = {"0s": 0.0, "60s": 60.0, "1h": 3600.0, "24h": 86_400.0, "168h": 604_800.0}
DESIGN: Raw = {"completed": {"age": "24h", "count": 1000}, "failed": {"age": "168h", "count": 5000}}


@given(wanted=JOBS, completed=RULES, failed=RULES, order=st.randoms(use_true_random=False))
def test_exactly_what_no_rule_keeps_goes_in_whatever_order_it_was_seen_and_recorded(
    wanted: list[tuple[str, str, float, bool]], completed: Raw, failed: Raw, order: random.Random
) -> None:
    rules = {"completed": completed, "failed": failed}
    jobs = [
        ended(f"job-{number:02}", queue=queue, phase=phase, since=since)
        for number, (queue, phase, since, _) in enumerate(wanted)
    ]
    recorded = {uid_of(job) for job, (_, _, _, is_recorded) in zip(jobs, wanted, strict=True) if is_recorded}
    first, second = (_observed(jobs, rules, recorded, order) for _ in range(2))
    assert retiring(first, NOW) == retiring(first, NOW) == retiring(second, NOW)

    gone: list[str] = []
    while actions := retiring(first, NOW):
        assert len(actions) <= RETIRED_A_SECOND
        for action in order.sample(actions, order.randint(1, len(actions))):
            raw = next(job for job in jobs if uid_of(job) == action.uid)
            first.observe(Kind.ANALYSIS_JOB, "DELETED", raw)
            gone.append(action.uid)
    assert len(gone) == len(set(gone))
    assert set(gone) == _expected(jobs, rules) & recorded


def _observed(jobs: list[Raw], rules: Raw, recorded: set[str], order: random.Random) -> Picture:
    """Jobs, their earlier selves and the news of their recording come in any order, some twice."""
    picture = Picture(NOW)
    picture.observe(Kind.NAMESPACE, "ADDED", make_namespace())
    for queue in ("analysis", "other"):
        picture.observe(Kind.JOB_QUEUE, "ADDED", make_queue(queue, retention=rules))
    events = [
        *jobs,
        *jobs,
        *({**job, "metadata": {**job["metadata"], "resourceVersion": "9"}, "status": {}} for job in jobs),
    ]
    order.shuffle(events)
    for event in events:
        picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", event)
        picture.recorded(
            order.sample(
                sorted(recorded & picture.analysis_jobs.keys()), k=min(1, len(recorded & picture.analysis_jobs.keys()))
            )
        )
    picture.recorded(recorded)
    return picture


def _expected(jobs: list[Raw], rules: Raw) -> set[str]:
    """The rule in its plainest words: all but the newest `count`, and all older than `age`."""
    over: set[str] = set()
    for queue in ("analysis", "other", "gone"):
        held = DESIGN if queue == "gone" else rules
        for kind, phases in (("completed", {"Completed", "Cancelled"}), ("failed", {"Failed"})):
            ends = sorted(
                ((job["status"]["completedAt"], uid_of(job)) for job in jobs
                 if job["spec"]["queue"] == queue and job["status"]["phase"] in phases), reverse=True,
            )  # fmt: skip
            over |= {uid for _, uid in ends[held[kind]["count"] :]}
            over |= {uid for at, uid in ends if at < ago(SECONDS[held[kind]["age"]])}
    return over

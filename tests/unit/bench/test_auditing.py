"""The checks of a crowd tell a broken promise from a kept one."""

from typing import Any

import pytest

from bench.auditing import held, made_twice, most_at_once, shares
from bench.scale import LIMITS, verdict
from forge_core.cluster import Raw
from forge_core.names import JOB_UID_LABEL


def owned(uid: str, created: str = "12:00:00", **status: Any) -> Raw:
    """A Job or pod of the AnalysisJob `uid`."""
    metadata = {"labels": {JOB_UID_LABEL: uid}, "creationTimestamp": f"2026-03-01T{created}Z"}
    return {"metadata": metadata, "status": status}


def analysis_job(uid: str, completed: str = "") -> Raw:
    """An AnalysisJob that ended at that time, or is open."""
    return {"metadata": {"uid": uid}, "status": {"completedAt": f"2026-03-01T{completed}Z"} if completed else {}}


def test_one_job_each_and_a_pod_after_a_failed_one_are_no_doubles() -> None:
    assert made_twice([owned("a"), owned("b")], [owned("a", phase="Failed"), owned("a", phase="Running")]) == 0


def test_a_second_job_and_a_second_live_pod_are_counted() -> None:
    assert made_twice([owned("a"), owned("a")], [owned("b", phase="Running"), owned("b", phase="Pending")]) == 2


def test_a_slot_freed_in_a_second_may_be_taken_in_the_same_one() -> None:
    ours = [analysis_job("a", "12:00:05"), analysis_job("b", "12:00:09")]
    assert most_at_once(held(ours, [owned("a"), owned("b", "12:00:05")])) == 1


def test_two_jobs_at_a_time_are_two_also_while_they_are_open() -> None:
    assert most_at_once(held([analysis_job("a", "12:00:06")], [owned("a"), owned("b", "12:00:05")])) == 2
    assert most_at_once(held([], [owned("a"), owned("b"), owned("c")])) == 3
    assert most_at_once([]) == 0


@pytest.mark.parametrize("number", [1, 2, 50, 1000, 10_000])
def test_the_small_tenant_has_the_smallest_share(number: int) -> None:
    whose = shares(number, ("one", "two"), "small")
    assert len(whose) == number
    assert whose.count("small") == max(1, number // 100)


def result(**changes: Any) -> dict[str, Any]:
    """A run in which all went well."""
    crowd = {"submitted": 50, "completed": 50, "failed": 0}
    good = {"rss_mb": 200.0, "rate_ratio": 0.9, "urgent_first": True, "urgent_s": 0.4, "restart_s": 8.0}
    return {**good, "most_at_once": 50, "made_twice": 0, "few": crowd, "many": crowd, **changes}


def test_a_run_in_which_all_went_well_is_within_its_limits() -> None:
    assert set(verdict(result(), 50).values()) == {True}


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("rss_mb", {"rss_mb": LIMITS["rss_mb"] + 1}),
        ("rate_ratio", {"rate_ratio": 0.7}),
        ("urgent_s", {"urgent_first": False}),
        ("urgent_s", {"urgent_s": 2.5}),
        ("restart_s", {"restart_s": 20.0}),
        ("caps", {"most_at_once": 51}),
        ("once", {"made_twice": 1}),
        ("all_completed", {"many": {"submitted": 50, "completed": 49, "failed": 0}}),
        ("all_completed", {"few": {"submitted": 50, "completed": 50, "failed": 1}}),
    ],
)
def test_a_broken_promise_is_named(promise: str, changes: dict[str, Any]) -> None:
    broken = verdict(result(**changes), 50)
    assert [name for name, kept in broken.items() if not kept] == [promise]

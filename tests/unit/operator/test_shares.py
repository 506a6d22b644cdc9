"""What tenants have of a queue's slots: shares by weight, and caps over all queues."""

from collections import Counter

import pytest

from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Surroundings
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from forge_operator.tenants import Terms
from tests.builders.deciding import actions_of, started, why
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_queue,
)


def test_a_tenant_does_not_exceed_its_cap_over_all_queues() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue("other")),
        (Kind.ANALYSIS_JOB, make_job("a")),
        (Kind.ANALYSIS_JOB, make_job("b", queue="other")),
        (Kind.ANALYSIS_JOB, make_job("c", queue="other")),
    ]
    picture = make_picture(objects, surroundings=Surroundings(tenant_cap=2))
    assert sorted(started(picture)) == ["a", "b"]
    assert why(picture, "c")[0] == Reason.TENANT_QUOTA_REACHED


def test_a_tenant_at_its_cap_does_not_keep_others_from_starting() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace("tenant-b")),
        *((Kind.ANALYSIS_JOB, make_job(f"a{number}", priority=1)) for number in range(5)),
        (Kind.ANALYSIS_JOB, make_job("b", namespace="tenant-b", priority=900)),
    ]
    picture = make_picture(objects, surroundings=Surroundings(tenant_cap=1))
    assert sorted(started(picture)) == ["a0", "b"]


def test_the_tenant_with_the_fewest_running_jobs_goes_first() -> None:
    running = make_job("running")
    objects = [
        (Kind.NAMESPACE, make_namespace("tenant-b")),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=4)),
        (Kind.ANALYSIS_JOB, running),
        (Kind.JOB, make_child(running)),
        *((Kind.ANALYSIS_JOB, make_job(f"a{number}", priority=1)) for number in range(5)),
        *((Kind.ANALYSIS_JOB, make_job(f"b{number}", namespace="tenant-b", priority=9)) for number in range(5)),
    ]
    assert started(make_picture(objects)) == ["b0", "a0", "b1"]


def _backlog(*namespaces: Raw, concurrency: int, jobs: int = 12) -> list[tuple[Kind, Raw]]:
    names = [namespace["metadata"]["name"] for namespace in namespaces]
    return [
        *((Kind.NAMESPACE, namespace) for namespace in namespaces),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=concurrency)),
        *((Kind.ANALYSIS_JOB, make_job(f"{ns}-{n:02}", namespace=ns)) for ns in names for n in range(jobs)),
    ]


def _by_tenant(picture: Picture) -> dict[str, int]:
    starts = actions_of(picture, CreateJob)
    return dict(Counter(picture.tenant_of(action.namespace) for action in starts))


def test_slots_are_shared_by_the_tenants_weights() -> None:
    heavy, light = make_namespace("heavy", weight=3), make_namespace("light")
    assert _by_tenant(make_picture(_backlog(heavy, light, concurrency=8))) == {"heavy": 6, "light": 2}


def test_shares_compare_exactly_where_fractions_would_round() -> None:
    # 49 x (1/49) is not 1 as a float, so that tenant would be served once too often
    heavy, light = make_namespace("z", weight=49), make_namespace("a", weight=1)
    backlog = _backlog(light, heavy, concurrency=51, jobs=60)
    running = {*(f"z-{n:02}" for n in range(30)), "a-00"}
    children = [(Kind.JOB, make_child(job)) for _, job in backlog if job["metadata"]["name"] in running]
    picture = make_picture([*backlog, *children])
    assert started(picture)[-1] == "a-01"
    assert _by_tenant(picture) == {"z": 19, "a": 1}


def test_the_tenant_with_the_smallest_share_takes_the_first_slot_that_is_freed() -> None:
    running = [make_job(f"r{n}", namespace=ns) for ns, count in (("a", 6), ("b", 2), ("c", 0)) for n in range(count)]
    waiting = [make_job(f"w-{ns}", namespace=ns, age=500, priority=1) for ns in ("a", "b")]
    urgent = make_job("urgent", namespace="c", age=1, priority=1)
    objects = [
        *((Kind.NAMESPACE, make_namespace(ns, weight=weight)) for ns, weight in (("a", 6), ("b", 1), ("c", 1))),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=9)),
        *((Kind.ANALYSIS_JOB, job) for job in (*running, *waiting, urgent)),
        *((Kind.JOB, make_child(job)) for job in running),
    ]
    assert started(make_picture(objects)) == ["urgent"]


def test_a_tenants_weight_and_cap_change_while_its_jobs_wait() -> None:
    picture = make_picture(_backlog(make_namespace("a"), make_namespace("b"), concurrency=8))
    assert _by_tenant(picture) == {"a": 4, "b": 4}
    picture.observe(Kind.NAMESPACE, "MODIFIED", make_namespace("a", version=9, weight=7))
    assert _by_tenant(picture) == {"a": 7, "b": 1}
    picture.observe(Kind.NAMESPACE, "MODIFIED", make_namespace("a", version=10, weight=7, max_running=2))
    assert _by_tenant(picture) == {"a": 2, "b": 6}
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=30))
    assert _by_tenant(picture) == {"a": 2, "b": 12}
    assert why(picture, "a-02") == (
        Reason.TENANT_QUOTA_REACHED,
        "Waiting: tenant a runs 2 of the 2 jobs that it may, over all queues",
    )
    picture.observe(Kind.NAMESPACE, "DELETED", make_namespace("a", version=11))
    assert _by_tenant(picture) == {"b": 12}


def test_of_two_namespaces_of_a_tenant_the_larger_weight_and_the_smaller_cap_count() -> None:
    namespaces = [
        make_namespace("a", tenant="t", weight=2, max_running=9),
        make_namespace("b", tenant="t", weight=5, max_running=4),
        make_namespace("c", tenant="t"),
    ]
    picture = make_picture([(Kind.NAMESPACE, namespace) for namespace in namespaces])
    assert picture.tenants.of("t") == Terms(5, 4)
    picture.observe(Kind.NAMESPACE, "DELETED", make_namespace("b", tenant="t", version=9))
    assert picture.tenants.of("t") == Terms(2, 9)


@pytest.mark.parametrize("written", ["0", "1001", "-1", "1.5", "", " 3", "3 ", "0x3", "three", "³", "٣", "9" * 40])
def test_a_weight_that_is_no_whole_number_within_bounds_is_ignored_and_named(written: str) -> None:
    picture = make_picture([(Kind.NAMESPACE, make_namespace("a", weight=written, max_running="-1"))])
    assert picture.tenants.of("a") == Terms()
    assert "forge-factory.dev/weight is ignored" in picture.namespaces["a"].problem
    assert "forge-factory.dev/max-running is ignored" in picture.namespaces["a"].problem


def test_a_cap_spans_queues_and_its_earliest_jobs_take_it_up_whatever_their_queue() -> None:
    late = [make_job(f"late-{n}", queue="a-first", age=10) for n in range(3)]
    early = [make_job(f"early-{n}", queue="z-last", age=100 - n) for n in range(3)]
    other = make_job("other", namespace="b", queue="a-first", age=1)
    objects = [
        (Kind.NAMESPACE, make_namespace(version=9, max_running=2)),
        (Kind.NAMESPACE, make_namespace("b")),
        (Kind.JOB_QUEUE, make_queue("a-first", concurrency=2)),
        (Kind.JOB_QUEUE, make_queue("z-last", concurrency=2)),
        *((Kind.ANALYSIS_JOB, job) for job in (*late, *early, other)),
    ]
    assert sorted(started(make_picture(objects))) == ["early-0", "early-1", "other"]


def test_a_cap_of_none_holds_everything_of_the_tenant_and_a_lowered_one_drains() -> None:
    running = [make_job(f"r{n}") for n in range(3)]
    objects = [
        (Kind.NAMESPACE, make_namespace(version=9, max_running=1)),
        *((Kind.ANALYSIS_JOB, job) for job in (*running, make_job())),
        *((Kind.JOB, make_child(job)) for job in running),
    ]
    picture = make_picture(objects)
    assert [type(action) for action in decide(picture, NOW)] == [PatchStatus], "nothing is killed"
    assert why(picture)[1] == "Waiting: tenant tenant-a runs 3 jobs, its cap is 1, over all queues"


def test_two_namespaces_of_one_tenant_share_its_share() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace("a-too", tenant=NAMESPACE)),
        (Kind.NAMESPACE, make_namespace("tenant-b")),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=4)),
        *((Kind.ANALYSIS_JOB, make_job(f"a{number}", age=90)) for number in range(3)),
        *((Kind.ANALYSIS_JOB, make_job(f"c{number}", namespace="a-too", age=80)) for number in range(3)),
        *((Kind.ANALYSIS_JOB, make_job(f"b{number}", namespace="tenant-b", age=70)) for number in range(3)),
    ]
    assert started(make_picture(objects)) == ["a0", "b0", "a1", "b1"]

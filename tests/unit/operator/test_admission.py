"""Who starts now, and what the others read."""

from collections import Counter
from datetime import timedelta
from typing import TypeVar

import pytest

from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.admission.selecting import selects
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Surroundings
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from forge_operator.tenants import Terms
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_queue,
    with_status,
)

A = TypeVar("A")


def _started(picture: Picture) -> list[str]:
    names = {action.uid: picture.analysis_jobs[action.uid].name for action in _of(picture, CreateJob)}
    return list(names.values())


def _of(picture: Picture, kind: type[A]) -> list[A]:
    return [action for action in decide(picture, NOW) if isinstance(action, kind)]


def _why(picture: Picture, name: str = "job") -> tuple[str, str]:
    """Reason and message of the notice about a waiting job."""
    (patch,) = [patch for patch in _of(picture, PatchStatus) if patch.name == name]
    admitted = next(one for one in patch.status["conditions"] if one["type"] == "Admitted")
    assert admitted["status"] == "False"
    assert admitted["message"] == patch.status["message"]
    assert patch.spare
    return admitted["reason"], patch.status["message"]


def test_a_waiting_job_is_given_its_job_at_once() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    (action,) = decide(picture, NOW)
    assert isinstance(action, CreateJob)
    assert action.body["metadata"]["ownerReferences"][0]["uid"] == action.uid


def test_nothing_is_decided_before_the_picture_is_complete() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())], complete=False)
    assert decide(picture, NOW) == []


CLOSED: list[tuple[str, Raw, Raw, Reason, str]] = [
    ("no such queue", {"queue": "gone"}, {}, Reason.QUEUE_MISSING, "no queue gone"),
    ("a queue that is paused", {}, {"paused": True}, Reason.QUEUE_PAUSED, "analysis is paused"),
    ("a queue without an image", {}, {"image": ""}, Reason.IMAGE_MISSING, "names no image"),
    ("a queue that can't be read", {}, {"concurrency": -1}, Reason.QUEUE_INVALID, "spec.concurrency"),
    (
        "a class that was removed",
        {"resourceClass": "huge"},
        {"resourceClasses": {"small": {}, "large": {}}},
        Reason.CLASS_MISSING,
        "no resource class 'huge'; it offers large, small",
    ),
    (
        "a namespace that isn't served",
        {},
        {"namespaceSelector": {"matchLabels": {"tier": "gold"}}},
        Reason.NAMESPACE_NOT_SERVED,
        "doesn't serve namespace tenant-a",
    ),
    ("no slot", {}, {"concurrency": 0}, Reason.CONCURRENCY_REACHED, "0 of 0 running"),
]


@pytest.mark.parametrize(("spec", "queue", "reason", "said"), [case[1:] for case in CLOSED], ids=[c[0] for c in CLOSED])
def test_a_job_that_cannot_start_reads_why(spec: Raw, queue: Raw, reason: Reason, said: str) -> None:
    objects = [(Kind.JOB_QUEUE, make_queue(version=6, **queue)), (Kind.ANALYSIS_JOB, make_job(**spec))]
    picture = make_picture(objects)
    assert _started(picture) == []
    given, message = _why(picture)
    assert given == reason
    assert said in message


def test_a_namespace_that_no_tenant_owns_is_named() -> None:
    picture = make_picture([(Kind.NAMESPACE, make_namespace(version=9, tenant="")), (Kind.ANALYSIS_JOB, make_job())])
    reason, message = _why(picture)
    assert reason == Reason.NAMESPACE_WITHOUT_TENANT
    assert "forge-factory.dev/tenant" in message


def test_nothing_starts_while_postgresql_or_the_api_is_away() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    assert picture.dependency("PostgreSQL", "connection refused")
    assert picture.dependency("the API", "timed out")
    reason, message = _why(picture)
    assert reason == Reason.DEPENDENCY_AWAY
    assert "PostgreSQL and the API" in message
    picture.dependency("PostgreSQL", "")
    picture.dependency("the API", "")
    assert _started(picture) == ["job"]


def test_a_refused_creation_rests_and_then_is_tried_again() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    picture.refused("uid-tenant-a-job", "exceeded quota: count/jobs.batch", NOW)
    reason, message = _why(picture)
    assert reason == Reason.CREATION_REFUSED
    assert "exceeded quota" in message
    later = NOW + timedelta(seconds=3)
    assert [type(action) for action in decide(picture, later)] == [CreateJob]


def test_refusals_pause_longer_each_time_up_to_a_minute() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    pauses = []
    for _ in range(8):
        picture.refused("uid-tenant-a-job", "quota", NOW)
        pauses.append((picture.refusals["uid-tenant-a-job"].until - NOW).total_seconds())
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_no_more_start_than_there_are_slots() -> None:
    running = make_job("running")
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=3)),
        (Kind.ANALYSIS_JOB, running),
        (Kind.JOB, make_child(running)),
        *((Kind.ANALYSIS_JOB, make_job(f"w{number}")) for number in range(4)),
    ]
    picture = make_picture(objects)
    assert _started(picture) == ["w0", "w1"]
    assert _why(picture, "w2") == (Reason.CONCURRENCY_REACHED, "Waiting in queue analysis: 3 of 3 running")


def test_no_more_start_than_the_rate_allows_and_the_window_is_a_second_longer() -> None:
    queue = make_queue(version=6, rateLimit={"max": 3, "per": "60s"})
    waiting = [(Kind.ANALYSIS_JOB, make_job(f"w{number}")) for number in range(4)]
    picture = make_picture([(Kind.JOB_QUEUE, queue), *waiting])
    at = NOW - timedelta(seconds=60.5)
    picture.remember_starts("analysis", [("old", at), ("older", at - timedelta(seconds=1))])
    assert _started(picture) == ["w0", "w1"]
    assert _why(picture, "w3")[0] == Reason.RATE_REACHED


def test_without_history_a_limited_queue_waits_one_window_after_a_restart() -> None:
    queue = make_queue(version=6, rateLimit={"max": 3, "per": "60s"})
    picture = make_picture([(Kind.JOB_QUEUE, queue), (Kind.ANALYSIS_JOB, make_job())])
    picture.history_known, picture.began = False, NOW - timedelta(seconds=60)
    assert _why(picture)[0] == Reason.STARTS_UNKNOWN
    picture.began = NOW - timedelta(seconds=61)
    assert _started(picture) == ["job"]


def test_without_history_an_unlimited_queue_does_not_wait() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    picture.history_known, picture.began = False, NOW
    assert _started(picture) == ["job"]


def test_a_tenant_does_not_exceed_its_cap_over_all_queues() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue("other")),
        (Kind.ANALYSIS_JOB, make_job("a")),
        (Kind.ANALYSIS_JOB, make_job("b", queue="other")),
        (Kind.ANALYSIS_JOB, make_job("c", queue="other")),
    ]
    picture = make_picture(objects, surroundings=Surroundings(tenant_cap=2))
    assert sorted(_started(picture)) == ["a", "b"]
    assert _why(picture, "c")[0] == Reason.TENANT_QUOTA_REACHED


def test_a_tenant_at_its_cap_does_not_keep_others_from_starting() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace("tenant-b")),
        *((Kind.ANALYSIS_JOB, make_job(f"a{number}", priority=1)) for number in range(5)),
        (Kind.ANALYSIS_JOB, make_job("b", namespace="tenant-b", priority=900)),
    ]
    picture = make_picture(objects, surroundings=Surroundings(tenant_cap=1))
    assert sorted(_started(picture)) == ["a0", "b"]


def test_a_round_starts_no_more_jobs_than_are_written_at_once_and_the_next_goes_on() -> None:
    jobs = [make_job(f"job-{number}", age=number) for number in range(5)]
    picture = make_picture([(Kind.ANALYSIS_JOB, job) for job in jobs], surroundings=Surroundings(writes_at_once=3))
    assert _started(picture) == ["job-4", "job-3", "job-2"]
    for job in jobs[2:]:
        picture.observe(Kind.JOB, "ADDED", make_child(job))
    assert _started(picture) == ["job-1", "job-0"]


def test_a_more_urgent_job_starts_first() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("early", priority=5, age=70)),
        (Kind.ANALYSIS_JOB, make_job("urgent", priority=1, age=10)),
    ]
    assert _started(make_picture(objects)) == ["urgent"]


def test_a_job_rises_by_one_step_each_minute_so_that_none_starves() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("patient", priority=5, age=4 * 60 + 11)),
        (Kind.ANALYSIS_JOB, make_job("urgent", priority=1, age=10)),
    ]
    assert _started(make_picture(objects)) == ["patient"]


def test_equals_start_in_the_order_of_their_creation_then_of_their_names() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=3)),
        (Kind.ANALYSIS_JOB, make_job("b", age=30)),
        (Kind.ANALYSIS_JOB, make_job("a", age=30)),
        (Kind.ANALYSIS_JOB, make_job("first", age=31)),
    ]
    assert _started(make_picture(objects)) == ["first", "a", "b"]


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
    assert _started(make_picture(objects)) == ["b0", "a0", "b1"]


def _backlog(*namespaces: Raw, concurrency: int, jobs: int = 12) -> list[tuple[Kind, Raw]]:
    names = [namespace["metadata"]["name"] for namespace in namespaces]
    return [
        *((Kind.NAMESPACE, namespace) for namespace in namespaces),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=concurrency)),
        *((Kind.ANALYSIS_JOB, make_job(f"{ns}-{n:02}", namespace=ns)) for ns in names for n in range(jobs)),
    ]


def _by_tenant(picture: Picture) -> dict[str, int]:
    starts = _of(picture, CreateJob)
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
    assert _started(picture)[-1] == "a-01"
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
    assert _started(make_picture(objects)) == ["urgent"]


def test_a_tenants_weight_and_cap_change_while_its_jobs_wait() -> None:
    picture = make_picture(_backlog(make_namespace("a"), make_namespace("b"), concurrency=8))
    assert _by_tenant(picture) == {"a": 4, "b": 4}
    picture.observe(Kind.NAMESPACE, "MODIFIED", make_namespace("a", version=9, weight=7))
    assert _by_tenant(picture) == {"a": 7, "b": 1}
    picture.observe(Kind.NAMESPACE, "MODIFIED", make_namespace("a", version=10, weight=7, max_running=2))
    assert _by_tenant(picture) == {"a": 2, "b": 6}
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=30))
    assert _by_tenant(picture) == {"a": 2, "b": 12}
    assert _why(picture, "a-02") == (
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
    assert sorted(_started(make_picture(objects))) == ["early-0", "early-1", "other"]


def test_a_cap_of_none_holds_everything_of_the_tenant_and_a_lowered_one_drains() -> None:
    running = [make_job(f"r{n}") for n in range(3)]
    objects = [
        (Kind.NAMESPACE, make_namespace(version=9, max_running=1)),
        *((Kind.ANALYSIS_JOB, job) for job in (*running, make_job())),
        *((Kind.JOB, make_child(job)) for job in running),
    ]
    picture = make_picture(objects)
    assert [type(action) for action in decide(picture, NOW)] == [PatchStatus], "nothing is killed"
    assert _why(picture)[1] == "Waiting: tenant tenant-a runs 3 jobs, its cap is 1, over all queues"


def test_a_lowered_concurrency_drains_without_killing() -> None:
    running = [make_job(f"r{n}") for n in range(3)]
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        *((Kind.ANALYSIS_JOB, job) for job in (*running, make_job())),
        *((Kind.JOB, make_child(job)) for job in running),
    ]
    picture = make_picture(objects)
    assert [type(action) for action in decide(picture, NOW)] == [PatchStatus]
    assert _why(picture)[1] == "Waiting in queue analysis: 3 running, 1 allowed"
    for job in running[:2]:
        picture.observe(Kind.JOB, "DELETED", make_child(job, version=50))
        picture.observe(Kind.ANALYSIS_JOB, "DELETED", with_status(job, version=51))
    assert _why(picture)[1] == "Waiting in queue analysis: 1 of 1 running"
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=2))
    assert _started(picture) == ["job"]


def test_limits_classes_and_selectors_change_while_jobs_wait() -> None:
    small = {"small": {"requests": {"cpu": "1"}}}
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job(resourceClass="small"))])
    steps: list[tuple[Raw, Reason | None]] = [
        ({"resourceClasses": small}, None),
        ({"resourceClasses": small, "paused": True}, Reason.QUEUE_PAUSED),
        ({"resourceClasses": {}}, Reason.CLASS_MISSING),
        ({"resourceClasses": small, "rateLimit": {"max": 1, "per": "30s"}}, Reason.RATE_REACHED),
        ({"resourceClasses": small, "rateLimit": {"max": 2, "per": "30s"}}, None),
        (
            {"resourceClasses": small, "namespaceSelector": {"matchLabels": {"tier": "x"}}},
            Reason.NAMESPACE_NOT_SERVED,
        ),
        ({"resourceClasses": small}, None),
    ]
    for version, (spec, reason) in enumerate(steps, start=10):
        picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=version, **spec))
        picture.remember_starts("analysis", [("another", NOW)])
        if reason is None:
            assert _started(picture) == ["job"]
        else:
            assert _why(picture)[0] == reason


def test_a_waiting_job_whose_priority_is_changed_takes_another_turn() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("a", priority=5)),
        (Kind.ANALYSIS_JOB, make_job("b", priority=5, age=59)),
    ]
    picture = make_picture(objects)
    assert _started(picture) == ["a"]
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", make_job("b", priority=4, age=59, version=12))
    assert _started(picture) == ["b"]


def test_a_queues_default_priority_moves_those_that_name_none() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1, defaultPriority=9)),
        (Kind.ANALYSIS_JOB, make_job("a", priority=5)),
        (Kind.ANALYSIS_JOB, make_job("b")),
    ]
    picture = make_picture(objects)
    assert _started(picture) == ["a"]
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=1, defaultPriority=2))
    assert _started(picture) == ["b"]


def test_two_namespaces_of_one_tenant_share_its_share() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace("a-too", tenant=NAMESPACE)),
        (Kind.NAMESPACE, make_namespace("tenant-b")),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=4)),
        *((Kind.ANALYSIS_JOB, make_job(f"a{number}", age=90)) for number in range(3)),
        *((Kind.ANALYSIS_JOB, make_job(f"c{number}", namespace="a-too", age=80)) for number in range(3)),
        *((Kind.ANALYSIS_JOB, make_job(f"b{number}", namespace="tenant-b", age=70)) for number in range(3)),
    ]
    assert _started(make_picture(objects)) == ["a0", "b0", "a1", "b1"]


def test_a_job_that_waits_for_its_own_reason_does_not_hold_up_the_rest() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1, resourceClasses={"small": {}})),
        (Kind.ANALYSIS_JOB, make_job("first", resourceClass="gone", age=90)),
        (Kind.ANALYSIS_JOB, make_job("second")),
    ]
    picture = make_picture(objects)
    assert _started(picture) == ["second"]
    assert _why(picture, "first")[0] == Reason.CLASS_MISSING


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"tier": "gold"}}, True),
        ({"matchLabels": {"tier": "iron"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold", "iron"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["gold"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Like", "values": ["g*"]}]}, False),
        ({"matchExpressions": ["tier"]}, False),
        ({"matchLabels": "tier=gold"}, False),
    ],
    ids=str,
)
def test_a_namespace_selector_is_read_as_kubernetes_reads_it(selector: Raw, matches: bool) -> None:
    assert selects(selector, {"tier": "gold"}) is matches

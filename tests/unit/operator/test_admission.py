"""Who starts now, and what the others read."""

from datetime import timedelta
from typing import TypeVar

import pytest

from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.admission.selecting import selects
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture, Surroundings
from forge_operator.reasons import Reason
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
    ("no slot", {}, {"concurrency": 0}, Reason.CONCURRENCY_REACHED, "0 of 0 slots"),
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
    assert _why(picture, "w2") == (Reason.CONCURRENCY_REACHED, "Waiting in queue analysis: 3 of 3 slots are taken")


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

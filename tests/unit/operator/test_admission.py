"""Who starts now, and what the others read."""

from datetime import timedelta

import pytest

from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.admission.selecting import selects
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.known import Surroundings
from forge_operator.reasons import Reason
from tests.builders.deciding import started, why
from tests.builders.operator import (
    NOW,
    Raw,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_queue,
    with_status,
)


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
    assert started(picture) == []
    given, message = why(picture)
    assert given == reason
    assert said in message


def test_a_namespace_that_no_tenant_owns_is_named() -> None:
    picture = make_picture([(Kind.NAMESPACE, make_namespace(version=9, tenant="")), (Kind.ANALYSIS_JOB, make_job())])
    reason, message = why(picture)
    assert reason == Reason.NAMESPACE_WITHOUT_TENANT
    assert "forge-factory.dev/tenant" in message


def test_nothing_starts_while_postgresql_or_the_api_is_away() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    assert picture.dependency("PostgreSQL", "connection refused")
    assert picture.dependency("the API", "timed out")
    reason, message = why(picture)
    assert reason == Reason.DEPENDENCY_AWAY
    assert "PostgreSQL and the API" in message
    picture.dependency("PostgreSQL", "")
    picture.dependency("the API", "")
    assert started(picture) == ["job"]


def test_a_refused_creation_rests_and_then_is_tried_again() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    picture.refused("uid-tenant-a-job", "exceeded quota: count/jobs.batch", NOW)
    reason, message = why(picture)
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
    assert started(picture) == ["w0", "w1"]
    assert why(picture, "w2") == (Reason.CONCURRENCY_REACHED, "Waiting in queue analysis: 3 of 3 running")


def test_no_more_start_than_the_rate_allows_and_the_window_is_a_second_longer() -> None:
    queue = make_queue(version=6, rateLimit={"max": 3, "per": "60s"})
    waiting = [(Kind.ANALYSIS_JOB, make_job(f"w{number}")) for number in range(4)]
    picture = make_picture([(Kind.JOB_QUEUE, queue), *waiting])
    at = NOW - timedelta(seconds=60.5)
    picture.remember_starts("analysis", [("old", at), ("older", at - timedelta(seconds=1))])
    assert started(picture) == ["w0", "w1"]
    assert why(picture, "w3")[0] == Reason.RATE_REACHED


def test_without_history_a_limited_queue_waits_one_window_after_a_restart() -> None:
    queue = make_queue(version=6, rateLimit={"max": 3, "per": "60s"})
    picture = make_picture([(Kind.JOB_QUEUE, queue), (Kind.ANALYSIS_JOB, make_job())])
    picture.history_known, picture.began = False, NOW - timedelta(seconds=60)
    assert why(picture)[0] == Reason.STARTS_UNKNOWN
    picture.began = NOW - timedelta(seconds=61)
    assert started(picture) == ["job"]


def test_without_history_an_unlimited_queue_does_not_wait() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job())])
    picture.history_known, picture.began = False, NOW
    assert started(picture) == ["job"]


def test_a_round_starts_no_more_jobs_than_are_written_at_once_and_the_next_goes_on() -> None:
    jobs = [make_job(f"job-{number}", age=number) for number in range(5)]
    picture = make_picture([(Kind.ANALYSIS_JOB, job) for job in jobs], surroundings=Surroundings(writes_at_once=3))
    assert started(picture) == ["job-4", "job-3", "job-2"]
    for job in jobs[2:]:
        picture.observe(Kind.JOB, "ADDED", make_child(job))
    assert started(picture) == ["job-1", "job-0"]


def test_a_lowered_concurrency_drains_without_killing() -> None:
    running = [make_job(f"r{n}") for n in range(3)]
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        *((Kind.ANALYSIS_JOB, job) for job in (*running, make_job())),
        *((Kind.JOB, make_child(job)) for job in running),
    ]
    picture = make_picture(objects)
    assert [type(action) for action in decide(picture, NOW)] == [PatchStatus]
    assert why(picture)[1] == "Waiting in queue analysis: 3 running, 1 allowed"
    for job in running[:2]:
        picture.observe(Kind.JOB, "DELETED", make_child(job, version=50))
        picture.observe(Kind.ANALYSIS_JOB, "DELETED", with_status(job, version=51))
    assert why(picture)[1] == "Waiting in queue analysis: 1 of 1 running"
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=2))
    assert started(picture) == ["job"]


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
            assert started(picture) == ["job"]
        else:
            assert why(picture)[0] == reason


def test_a_job_that_waits_for_its_own_reason_does_not_hold_up_the_rest() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1, resourceClasses={"small": {}})),
        (Kind.ANALYSIS_JOB, make_job("first", resourceClass="gone", age=90)),
        (Kind.ANALYSIS_JOB, make_job("second")),
    ]
    picture = make_picture(objects)
    assert started(picture) == ["second"]
    assert why(picture, "first")[0] == Reason.CLASS_MISSING


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

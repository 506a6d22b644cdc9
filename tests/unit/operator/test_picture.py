"""The picture: what is older has no effect, what is gone stays gone, a slot is kept while it may be used."""

import random
from datetime import timedelta

import pytest

from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.picture import Picture
from forge_operator.placing import State
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    condition,
    make_child,
    make_job,
    make_namespace,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOB = make_job("one")
UID = JOB["metadata"]["uid"]
OWNER = (NAMESPACE, UID)


def _state(picture: Picture) -> State | None:
    place = picture.places.of(OWNER)
    return place.state if place else None


def test_an_older_event_is_ignored() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, with_status(JOB, version=20, phase="Running"))])
    assert picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", with_status(JOB, version=15, phase="Queued")) is None
    assert picture.analysis_jobs[UID].status.phase == "Running"


def test_the_same_event_again_changes_nothing() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    assert picture.observe(Kind.ANALYSIS_JOB, "ADDED", JOB) is None


def test_what_was_deleted_does_not_come_back_by_a_late_answer() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    gone = with_status(JOB, version=30, phase="Queued")
    change = picture.observe(Kind.ANALYSIS_JOB, "DELETED", gone)
    assert change is not None
    assert change.after is None
    assert picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", with_status(JOB, version=25, phase="Running")) is None
    assert UID not in picture.analysis_jobs
    assert _state(picture) is None


def test_a_late_deletion_of_something_never_seen_is_remembered() -> None:
    picture = make_picture()
    assert picture.observe(Kind.ANALYSIS_JOB, "DELETED", with_status(JOB, version=30)) is None
    assert picture.observe(Kind.ANALYSIS_JOB, "ADDED", JOB) is None


def test_an_object_that_ceases_to_be_ours_is_dropped() -> None:
    child = make_child(JOB)
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child)])
    stranger = {**child, "metadata": {**child["metadata"], "resourceVersion": "99", "ownerReferences": []}}
    picture.observe(Kind.JOB, "MODIFIED", stranger)
    assert picture.job_of(picture.analysis_jobs[UID]) is None


def test_a_relist_removes_what_was_last_seen_before_it() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    (change,) = picture.relisted(Kind.ANALYSIS_JOB, set(), version=10)
    assert change.before is not None
    assert change.before.uid == UID
    assert change.after is None
    assert _state(picture) is None


def test_a_relist_keeps_what_was_seen_after_it_began() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    assert picture.relisted(Kind.ANALYSIS_JOB, set(), version=9) == []
    assert UID in picture.analysis_jobs


def test_nothing_is_complete_before_each_kind_was_listed() -> None:
    picture = make_picture(complete=False)
    assert Kind.JOB in picture.missing
    for kind in Kind:
        if kind is not Kind.EVENT:
            picture.relisted(kind, set(), 0)
    assert not picture.missing


def test_a_creation_keeps_its_slot_until_its_outcome_is_known() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    picture.hold(UID, "analysis", NAMESPACE)
    picture.hold(UID, "analysis", NAMESPACE)
    assert picture.slots_used("analysis") == 1
    assert picture.starts_after("analysis", NOW) == 1
    picture.release(UID)
    assert picture.slots_used("analysis") == 0
    assert picture.starts_after("analysis", NOW) == 0
    assert _state(picture) is State.WAITING


def test_a_creation_keeps_its_slot_even_when_its_analysis_job_is_deleted_meanwhile() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    picture.hold(UID, "analysis", NAMESPACE)
    picture.observe(Kind.ANALYSIS_JOB, "DELETED", with_status(JOB, version=30))
    assert picture.slots_used("analysis") == 1
    picture.release(UID)
    assert picture.slots_used("analysis") == 0


def test_a_job_whose_analysis_job_is_gone_keeps_its_slot_until_its_pods_are_gone() -> None:
    child = make_child(JOB)
    pod = make_pod(child)
    picture = make_picture([(Kind.JOB, child), (Kind.POD, pod)])
    assert picture.slots_used("analysis") == 1
    done = make_child(JOB, version=50, active=0, conditions=[condition("Failed")])
    picture.observe(Kind.JOB, "MODIFIED", done)
    assert picture.slots_used("analysis") == 1, "its pod may still be alive"
    picture.observe(Kind.POD, "DELETED", {**pod, "metadata": {**pod["metadata"], "resourceVersion": "60"}})
    assert picture.slots_used("analysis") == 0


@pytest.mark.parametrize(
    ("status", "spec", "state"),
    [
        ({}, {}, State.WAITING),
        ({"phase": "Running"}, {}, State.ADMITTED),
        ({"phase": "Cancelling"}, {"cancel": True}, State.ADMITTED),
        ({}, {"cancel": True}, State.SETTLING),
        ({}, {"priority": 0}, State.SETTLING),
        ({"phase": "Completed"}, {}, None),
        ({"phase": "Failed"}, {"priority": 0}, None),
    ],
    ids=["waits", "runs", "is cancelled", "withdrawn", "invalid", "completed", "failed"],
)
def test_where_a_job_without_a_child_stands(status: Raw, spec: Raw, state: State | None) -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, with_status(make_job("one", **spec), **status))])
    assert _state(picture) is state


def test_a_pod_with_another_tenants_labels_and_owner_is_not_counted() -> None:
    child = make_child(JOB)
    forged = make_pod(child)
    forged["metadata"]["namespace"] = "tenant-b"
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child), (Kind.POD, forged)])
    digest = picture.job_of(picture.analysis_jobs[UID])
    assert digest is not None
    assert not picture.pods_of(digest)
    assert picture.owner_of(next(iter(picture.held(Kind.POD)))) is None  # type: ignore[arg-type]


def test_a_job_in_another_namespace_is_not_the_childs_owner() -> None:
    forged = make_child(JOB)
    forged["metadata"]["namespace"] = "tenant-b"
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, forged)])
    assert picture.job_of(picture.analysis_jobs[UID]) is None
    assert _state(picture) is State.WAITING


def test_a_pod_is_remembered_after_its_deletion_for_as_long_as_its_job() -> None:
    child = make_child(JOB)
    pod = make_pod(child)
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, child), (Kind.POD, pod)])
    picture.observe(Kind.POD, "DELETED", {**pod, "metadata": {**pod["metadata"], "resourceVersion": "60"}})
    digest = picture.job_of(picture.analysis_jobs[UID])
    assert digest is not None
    assert not picture.pods_of(digest)
    assert [gone.name for gone in picture.all_pods_of(digest)] == ["pod-1"]


def test_a_start_stays_counted_when_its_job_is_deleted() -> None:
    child = make_child(JOB, age=5)
    picture = make_picture([(Kind.JOB, child)])
    picture.observe(Kind.JOB, "DELETED", {**child, "metadata": {**child["metadata"], "resourceVersion": "60"}})
    assert picture.starts_after("analysis", NOW - timedelta(seconds=10)) == 1
    assert picture.starts_after("analysis", NOW) == 0


def test_starts_that_the_history_knows_count_once() -> None:
    picture = make_picture([(Kind.JOB, make_child(JOB, age=5))])
    at = NOW - timedelta(seconds=5)
    picture.remember_starts("analysis", [(UID, at), ("another", at), ("another", at)])
    assert picture.starts_after("analysis", NOW - timedelta(seconds=10)) == 2


def test_starts_are_kept_for_as_long_as_the_queues_window() -> None:
    picture = make_picture([(Kind.JOB_QUEUE, make_queue(version=6, rateLimit={"max": 5, "per": "10m"}))])
    picture.remember_starts("analysis", [("early", NOW - timedelta(minutes=9)), ("late", NOW)])
    assert picture.starts_after("analysis", NOW - timedelta(minutes=10)) == 2


def test_a_changed_default_priority_moves_those_who_wait() -> None:
    with_own = make_job("with-own", priority=5)
    picture = make_picture([(Kind.ANALYSIS_JOB, with_own), (Kind.ANALYSIS_JOB, JOB)])
    assert [name for _, name, _ in picture.places.waiting("analysis")[NAMESPACE]] == ["one", "with-own"]
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=6, defaultPriority=9))
    assert [name for _, name, _ in picture.places.waiting("analysis")[NAMESPACE]] == ["with-own", "one"]


def test_a_changed_priority_moves_a_job_that_waits() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, make_job("two", priority=5)), (Kind.ANALYSIS_JOB, JOB)])
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", make_job("two", priority=1, version=40))
    assert [name for _, name, _ in picture.places.waiting("analysis")[NAMESPACE]] == ["two", "one"]


def test_an_earlier_object_of_the_same_name_that_goes_late_does_not_take_its_successor_along() -> None:
    picture = make_picture()
    successor = make_namespace(version=50)
    successor["metadata"]["uid"] = "uid-successor"
    picture.observe(Kind.NAMESPACE, "ADDED", successor)
    picture.observe(Kind.NAMESPACE, "DELETED", make_namespace(version=49))
    assert picture.tenant_of(NAMESPACE) == NAMESPACE


def test_a_report_of_a_job_that_has_ended_is_not_remembered() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, with_status(JOB, phase="Running"))])
    assert picture.report(UID, Report(5, "cloning", 1))
    assert not picture.report(UID, Report(5, "cloning", 1))
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", with_status(JOB, version=40, phase="Completed"))
    assert not picture.report(UID, Report(9, "cloning", 1))
    assert not picture.reports


def test_the_order_of_observation_does_not_matter() -> None:
    child = make_child(JOB)
    events = [
        (Kind.ANALYSIS_JOB, JOB),
        (Kind.ANALYSIS_JOB, with_status(JOB, version=35, phase="Running")),
        (Kind.JOB, child),
        (Kind.JOB, make_child(JOB, version=50, active=0, conditions=[condition("Complete")])),
        (Kind.POD, make_pod(child, phase="Pending", version=31)),
        (Kind.POD, make_pod(child, phase="Succeeded", version=45)),
    ]
    wanted = make_picture(events)
    for seed in range(30):
        shuffled = [*events, *events]
        random.Random(seed).shuffle(shuffled)
        picture = make_picture(shuffled)
        assert picture.places.of(OWNER) == wanted.places.of(OWNER)
        for kind in Kind:
            assert sorted(picture.held(kind), key=lambda digest: digest.uid) == sorted(
                wanted.held(kind), key=lambda digest: digest.uid
            )

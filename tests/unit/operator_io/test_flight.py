"""The flight recorder: each fact once, in bounded memory, none for a job that isn't its own."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from forge_core.history.notes import Note, What
from forge_operator.decide import decision
from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from forge_operator.record.flight import STANDBY_SECONDS, Flight
from tests.builders.operator import (
    NOW,
    Raw,
    ago,
    condition,
    ended,
    make_child,
    make_job,
    make_picture,
    make_pod,
    make_pull,
    make_queue,
    with_status,
)


class Tape:
    """A flight recorder that hears what a picture is shown."""

    def __init__(self, picture: Picture | None = None, most: int = 1000) -> None:
        self.picture = picture or make_picture()
        self.leading = True
        self.flight = Flight(self.picture, lambda: self.leading, most)

    def see(self, kind: Kind, raw: Raw, event: str = "MODIFIED", after: float = 0) -> None:
        change = self.picture.observe(kind, event, raw)
        if change is not None:
            self.flight.heard(change, NOW + timedelta(seconds=after))

    def list_all(self) -> None:
        """Every kind has been listed, and something happens."""
        for kind in Kind:
            self.picture.relisted(kind, {digest.uid for digest in self.picture.held(kind)}, 0)
        self.see(Kind.ANALYSIS_JOB, job("later"), "ADDED")

    def decide(self, after: float = 0) -> None:
        moment = NOW + timedelta(seconds=after)
        self.flight.saw(decision(self.picture, moment).rounds, moment)

    def notes(self, what: What | None = None) -> list[Note]:
        return [note for note in self.flight.take(10_000) if what in {None, note.what}]


def job(name: str = "job", **more: Any) -> Raw:
    raw = make_job(name, **more)
    raw["metadata"]["uid"] = str(uuid4())
    return raw


def at(raw: Raw, version: int, **status: Any) -> Raw:
    """The same pod later."""
    return {
        **raw,
        "metadata": {**raw["metadata"], "resourceVersion": str(version)},
        "status": {**raw["status"], **status},
    }


def runs(since: float = 20) -> list[Raw]:
    return [{"name": "runner", "state": {"running": {"startedAt": ago(since)}}}]


def test_a_pods_life_is_noted_as_it_unfolds_and_each_fact_once() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    pod = make_pod(child, phase="Pending", conditions=[])
    scheduled = at(pod, 31, conditions=[condition("PodScheduled", since=24)])
    running = at(scheduled, 32, phase="Running", containerStatuses=runs())
    over = at(running, 33, phase="Succeeded", containerStatuses=[{"name": "runner", "state": ended(0)}])
    tape.see(Kind.ANALYSIS_JOB, raw, "ADDED")
    tape.see(Kind.JOB, child, "ADDED")
    for _ in range(2):
        for each in (pod, scheduled, running, over):
            tape.see(Kind.POD, each)
        tape.see(Kind.PULL, make_pull(pod))
    notes = tape.notes()
    assert [note.what for note in notes] == [
        What.POD_SCHEDULED, What.POD_STARTED, What.POD_ENDED, What.IMAGE_PULLED,
    ]  # fmt: skip
    assert {note.job_uid for note in notes} == {UUID(raw["metadata"]["uid"])}
    made = (NOW - timedelta(seconds=25)).isoformat()
    assert [note.at for note in notes] == [NOW - timedelta(seconds=s) for s in (24, 20, 1, 21)]
    assert [note.detail for note in notes] == [
        {"pod": "pod-1", "node": "node-1", "created": made},
        {"pod": "pod-1"},
        {"pod": "pod-1", "exitCode": 0},
        {"pod": "pod-1", "seconds": 2.345},
    ]


def test_the_gates_that_held_a_job_are_noted_when_its_job_is_made() -> None:
    tape = Tape(make_picture([(Kind.JOB_QUEUE, make_queue(version=6, concurrency=0))]))
    raw = job(age=0)
    tape.see(Kind.ANALYSIS_JOB, raw, "ADDED")
    tape.decide()
    tape.decide(after=1)
    tape.see(Kind.JOB_QUEUE, make_queue(version=7, concurrency=0, paused=True))
    tape.decide(after=3)
    assert tape.notes() == []
    tape.see(Kind.JOB, make_child(raw, age=-4), "ADDED", after=4)
    held = {note.key: note.detail for note in tape.notes(What.HELD)}
    assert held.keys() == {"ConcurrencyReached", "QueuePaused"}
    assert (held["ConcurrencyReached"]["seconds"], held["QueuePaused"]["seconds"]) == (3.0, 1.0)
    assert held["ConcurrencyReached"]["message"] == "Waiting in queue analysis: 0 of 0 running"


def test_a_job_that_is_cancelled_while_it_waits_keeps_what_held_it() -> None:
    tape = Tape(make_picture([(Kind.JOB_QUEUE, make_queue(version=6, concurrency=0))]))
    raw = job(age=0)
    tape.see(Kind.ANALYSIS_JOB, raw, "ADDED")
    tape.decide()
    tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Cancelled"), after=2)
    assert [note.detail["seconds"] for note in tape.notes(What.HELD)] == [2.0]


def test_the_gate_that_a_status_names_is_noted_when_it_is_written() -> None:
    tape, raw = Tape(), job()
    tape.see(Kind.ANALYSIS_JOB, raw, "ADDED")
    said = {**condition("Admitted", Reason.RATE_REACHED, since=9), "status": "False"}
    for version in (12, 13):
        tape.see(Kind.ANALYSIS_JOB, with_status(raw, version, phase="Queued", message="full", conditions=[said]))
    [note] = tape.notes(What.GATE_TOLD)
    assert (note.key, note.at, note.detail) == ("RateReached", NOW - timedelta(seconds=9), {"message": "full"})


def test_who_asked_to_cancel_and_when_it_was_taken_up_are_noted() -> None:
    tape, raw = Tape(), job()
    running = with_status(raw, 11, phase="Running")
    tape.see(Kind.ANALYSIS_JOB, running, "ADDED")
    wished = with_status({**raw, "spec": {**raw["spec"], "cancel": True}}, 12, phase="Running")
    fields = [{"manager": "kubectl-patch", "time": ago(3), "fieldsV1": {"f:spec": {"f:cancel": {}}}}]
    wished["metadata"]["managedFields"] = fields
    tape.see(Kind.ANALYSIS_JOB, wished)
    tape.see(Kind.ANALYSIS_JOB, with_status(wished, 13, phase="Cancelling"), after=1)
    asked, taken = tape.notes()
    assert (asked.what, asked.at) == (What.CANCEL_ASKED, NOW - timedelta(seconds=3))
    assert asked.detail == {"by": "kubectl-patch", "through": "kubernetes"}
    assert (taken.what, taken.at, taken.detail) == (What.CANCELLING, NOW + timedelta(seconds=1), {})


def test_a_pod_that_outlives_its_job_still_ends_in_the_right_timeline() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    pod = make_pod(child)
    tape.see(Kind.JOB, child, "ADDED")
    tape.see(Kind.POD, pod, "ADDED")
    tape.see(Kind.JOB, {**child, "metadata": {**child["metadata"], "resourceVersion": "50"}}, "DELETED")
    tape.picture.report(raw["metadata"]["uid"], Report(40, "analysing", 1))
    tape.see(Kind.POD, at(pod, 51), "DELETED", after=7)
    [note] = tape.notes(What.POD_ENDED)
    assert note.job_uid == UUID(raw["metadata"]["uid"])
    assert (note.at, note.detail) == (NOW + timedelta(seconds=7), {"pod": "pod-1", "atLatest": True})


def test_a_pod_that_is_killed_without_a_word_is_noted_with_where_it_was() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Running"), "ADDED")
    tape.see(Kind.JOB, child, "ADDED")
    tape.picture.report(raw["metadata"]["uid"], Report(40, "analysing", 1))
    tape.see(Kind.POD, make_pod(child, phase="Failed", state=ended(137, reason="OOMKilled")))
    [note] = tape.notes(What.POD_ENDED)
    told = {"exitCode": 137, "reason": "OOMKilled", "lastStage": "analysing", "lastPercent": 40}
    assert note.detail == {"pod": "pod-1", **told}


def test_at_the_start_the_lists_may_come_in_any_order() -> None:
    raw = job()
    child = make_child(raw)
    pod = make_pod(child, conditions=[condition("PodScheduled", since=24)])
    tape = Tape(make_picture(complete=False))
    tape.see(Kind.PULL, make_pull(pod), "ADDED")
    tape.see(Kind.POD, pod, "ADDED")
    tape.see(Kind.JOB, child, "ADDED")
    tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Running"), "ADDED")
    assert tape.notes() == []
    tape.list_all()
    assert {note.what for note in tape.notes()} == {What.POD_SCHEDULED, What.POD_STARTED, What.IMAGE_PULLED}


def test_a_pod_may_be_heard_of_before_the_answer_to_its_jobs_creation() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    tape.see(Kind.ANALYSIS_JOB, raw, "ADDED")
    tape.see(Kind.POD, make_pod(child, conditions=[condition("PodScheduled", since=24)]), "ADDED")
    assert tape.notes() == []
    tape.see(Kind.JOB, child, "ADDED")
    assert {note.what for note in tape.notes()} == {What.POD_SCHEDULED, What.POD_STARTED}


def test_what_the_operator_before_has_written_long_ago_is_not_told_again() -> None:
    tape = Tape(make_picture(complete=False))
    for name, ended_at in (("old", 3600), ("young", 60)):
        raw = job(name)
        child = make_child(raw)
        tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Completed", completedAt=ago(ended_at)), "ADDED")
        tape.see(Kind.JOB, child, "ADDED")
        tape.see(Kind.POD, make_pod(child, name, phase="Succeeded", state=ended(0)), "ADDED")
    tape.list_all()
    assert {note.detail["pod"] for note in tape.notes()} == {"young"}


def test_another_tenants_pod_that_names_the_job_writes_nothing_into_its_timeline() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    tape.see(Kind.JOB, child, "ADDED")
    forged = make_pod(child)
    forged["metadata"]["namespace"] = "tenant-b"
    tape.see(Kind.POD, forged, "ADDED")
    tape.see(Kind.PULL, make_pull(forged), "ADDED")
    assert tape.notes() == []


def test_a_job_that_was_made_again_is_noted_and_the_first_is_not() -> None:
    tape, raw = Tape(), job()
    first = make_child(raw, age=30)
    tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Running", admittedAt=ago(30)), "ADDED")
    tape.see(Kind.JOB, first, "ADDED")
    tape.see(Kind.JOB, {**first, "metadata": {**first["metadata"], "resourceVersion": "50"}}, "DELETED")
    again = make_child(raw, age=5, version=60)
    again["metadata"]["uid"] = "another"
    tape.see(Kind.JOB, again, "ADDED")
    [note] = tape.notes(What.JOB_CREATED)
    assert (note.at, note.key) == (NOW - timedelta(seconds=5), "another")


def test_without_room_the_oldest_go_and_their_jobs_are_told_how_many() -> None:
    tape, jobs = Tape(most=10), [job(f"job-{number}") for number in range(8)]
    for raw in jobs:
        child = make_child(raw)
        tape.see(Kind.JOB, child, "ADDED")
        tape.see(Kind.POD, make_pod(child, conditions=[condition("PodScheduled")]), "ADDED")
    notes = tape.flight.take(100)
    lost = {note.job_uid: note.detail["count"] for note in notes if note.what is What.DROPPED}
    assert lost == {UUID(raw["metadata"]["uid"]): 2 for raw in jobs[:3]}
    assert len(notes) - len(lost) == 10
    assert tape.flight.dropped == 6
    tape.flight.written(notes)
    assert tape.flight.waiting == 0


def test_notes_wait_until_they_are_written() -> None:
    tape, raw = Tape(), job()
    child = make_child(raw)
    tape.see(Kind.JOB, child, "ADDED")
    tape.see(Kind.POD, make_pod(child, conditions=[condition("PodScheduled")]), "ADDED")
    first = tape.flight.take(1)
    assert tape.flight.take(1) == first
    tape.flight.written(first)
    assert [note.what for note in tape.flight.take(5)] == [What.POD_STARTED]


def test_a_standby_keeps_only_what_the_holder_of_the_lease_may_not_have_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tape, moment = Tape(most=10), 1000.0
    tape.leading = False
    monkeypatch.setattr("forge_operator.record.flight.time.monotonic", lambda: moment)
    for number in range(30):
        raw = job(f"job-{number}")
        tape.see(Kind.ANALYSIS_JOB, with_status(raw, phase="Running"), "ADDED")
        tape.see(Kind.ANALYSIS_JOB, with_status(raw, 12, phase="Cancelling"))
        moment += STANDBY_SECONDS / 5
    assert len(tape.notes()) == 6
    assert tape.flight.dropped == 0


def test_objects_without_a_real_uid_are_passed_over() -> None:
    tape, raw = Tape(), make_job()
    child = make_child(raw)
    tape.see(Kind.JOB, child, "ADDED")
    tape.see(Kind.POD, make_pod(child), "ADDED")
    assert tape.notes() == []

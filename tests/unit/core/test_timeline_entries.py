"""From facts to an ordered list: the order of causes where clocks are coarse, and the same whatever is read first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from random import Random
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from forge_core.history.cancellation import receipt_of
from forge_core.history.notes import Note, What
from forge_core.history.timeline import Attempt, Course, Facts, Refunded, Told, Uploaded
from forge_core.history.timeline_entries import Entry, entries_of, ordered

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
UID = UUID("11111111-1111-1111-1111-111111111111")
POD, OTHER = uuid5(UID, "pod"), uuid5(UID, "other")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def course(**changes: Any) -> Course:
    """A job that was submitted through the API and is completed."""
    given = {
        "id": uuid5(UID, "row"), "uid": UID, "namespace": "tenant-a", "name": "job", "queue": "analysis",
        "submitted": True, "requested_by": "ada", "phase": "Completed", "reason": "Succeeded", "message": "",
        "failure_class": "", "retry_of": None, "created_at": at(0.4), "queued_at": at(0), "admitted_at": at(20),
        "started_at": at(23), "completed_at": at(60), "recorded_at": at(60.6),
    }  # fmt: skip
    return Course(**{**given, **changes})


def note(what: What, when: float, key: str = "", /, **detail: Any) -> Note:
    return Note(UID, at(when), what, key, detail)


def whats(facts: Facts) -> list[str]:
    return [entry.what.value for entry in entries_of(facts)]


WHOLE = Facts(
    course(),
    attempts=(
        Attempt(1, POD, "pod-1", at(23.5), at(30.2), "failed", "transient", "no route", "cloning"),
        Attempt(2, POD, "pod-1", at(32.2), at(59.8), "succeeded"),
    ),
    uploads=(Uploaded(2, 3, 1000, at(58), at(59.7)),),
    told=(Told("analysis.completed", "events", at(60.6), at(60.9)),),
    notes=(
        note(What.HELD, 0.5, "ConcurrencyReached", seconds=19.5, times=1, until=at(20.1).isoformat(), message="full"),
        note(What.GATE_TOLD, 2.5, "ConcurrencyReached", message="full"),
        note(What.POD_SCHEDULED, 20, str(POD), pod="pod-1", node="node-1", created=at(20).isoformat()),
        note(What.IMAGE_PULLED, 22, str(POD), pod="pod-1", seconds=1.5),
        note(What.POD_STARTED, 23, str(POD), pod="pod-1"),
        note(What.POD_ENDED, 60, str(POD), pod="pod-1", exitCode=0),
        note(What.STAGES, 59.8, "2", stages=[["cloning", at(32.5).isoformat()], ["saving", at(57.9).isoformat()]]),
    ),
)


def test_a_whole_life_is_told_in_the_order_in_which_it_happened() -> None:
    assert whats(WHOLE) == [
        "submitted", "queued", "held", "admitted", "job-created", "pod-scheduled", "image-pulled", "pod-started",
        "attempt-claimed", "attempt-failed", "backoff", "attempt-claimed", "stage", "stage", "uploaded",
        "attempt-succeeded", "pod-ended", "ended", "recorded", "delivered",
    ]  # fmt: skip


def test_an_entry_says_its_attempt_and_its_pod_where_it_belongs_to_one() -> None:
    by_what = {entry.what: entry for entry in entries_of(WHOLE)}
    assert by_what[What.BACKOFF].detail == {"seconds": 2.0, "until": at(32.2).isoformat()}
    assert (by_what[What.STAGE].attempt, by_what[What.STAGE].pod) == (2, "pod-1")
    assert (by_what[What.UPLOADED].attempt, by_what[What.UPLOADED].detail) == (2, {"artifacts": 3, "bytes": 1000})
    assert by_what[What.POD_SCHEDULED].detail["node"] == "node-1"
    assert by_what[What.JOB_CREATED].detail["job"].startswith("job-")
    assert by_what[What.SUBMITTED].detail == {"through": "api", "queue": "analysis", "by": "ada"}


@given(st.integers())
def test_the_list_does_not_depend_on_the_order_in_which_the_facts_were_read(seed: int) -> None:
    shuffled: dict[str, Any] = {
        name: tuple(Random(seed).sample(getattr(WHOLE, name), len(getattr(WHOLE, name))))
        for name in ("refunds", "uploads", "told", "notes")
    }
    assert entries_of(replace(WHOLE, **shuffled)) == entries_of(WHOLE)


entries = st.builds(
    Entry,
    at=st.integers(0, 40).map(lambda tenths: at(tenths / 10)),
    what=st.sampled_from(list(What)),
    detail=st.just({}),
    attempt=st.none() | st.integers(1, 3),
    pod=st.none() | st.sampled_from(["a", "b"]),
)


@given(st.lists(entries, max_size=30), st.randoms())
def test_ordering_loses_nothing_is_stable_and_never_turns_two_exact_times_round(
    some: list[Entry], any_: Random
) -> None:
    once = ordered(some)
    assert sorted(map(repr, once)) == sorted(map(repr, some))
    assert ordered(any_.sample(some, len(some))) == once
    exact = [entry.at for entry in once if entry.at.microsecond]
    assert exact == sorted(exact)
    for earlier, later in pairwise(once):
        assert earlier.at - later.at < timedelta(seconds=1)


def test_what_two_clocks_tell_within_one_second_is_put_in_the_order_of_causes() -> None:
    told = ordered([Entry(at(5), What.ENDED), Entry(at(5.7), What.ATTEMPT_SUCCEEDED), Entry(at(6.1), What.RECORDED)])
    assert [entry.what for entry in told] == [What.ATTEMPT_SUCCEEDED, What.ENDED, What.RECORDED]


def test_a_whole_second_moved_behind_its_cause_keeps_its_place_beside_its_like() -> None:
    some = [Entry(at(2), What.QUEUED), Entry(at(2.1), What.SUBMITTED), Entry(at(2.1), What.QUEUED)]
    assert [ordered(each) for each in permutations(some)] == [ordered(some)] * 6


def test_a_gate_that_still_holds_is_told_from_the_status_and_has_no_end() -> None:
    waiting = course(phase="Queued", admitted_at=None, started_at=None, completed_at=None, recorded_at=None)
    notes = (note(What.GATE_TOLD, 3, "QueuePaused", message="paused"), note(What.GATE_TOLD, 9, "RateReached"))
    held = [entry for entry in entries_of(Facts(waiting, notes=notes)) if entry.what is What.HELD]
    assert held[0].detail == {"gate": "QueuePaused", "message": "paused", "seconds": 6.0, "until": at(9).isoformat()}
    assert held[1].detail == {"gate": "RateReached"}


def test_a_runners_clock_is_believed_only_between_its_claim_and_its_outcome() -> None:
    stages = [["early", at(-9e6).isoformat()], ["late", at(9e6).isoformat()], ["good", at(40).isoformat()]]
    facts = replace(WHOLE, notes=(note(What.STAGES, 59.8, "2", stages=stages),))
    moments = {entry.detail["stage"]: entry.at for entry in entries_of(facts) if entry.what is What.STAGE}
    assert moments == {"early": at(32.2), "late": at(59.8), "good": at(40)}


@given(st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4)))
def test_stages_in_no_known_form_are_passed_over(odd: object) -> None:
    entries_of(replace(WHOLE, notes=(note(What.STAGES, 59.8, "2", stages=odd),)))


def test_another_pods_attempt_follows_without_a_backoff_of_the_runners() -> None:
    attempts = (
        Attempt(1, POD, "pod-1", at(23), at(30), "failed", "disruption", "Evicted", refunded=True),
        Attempt(2, OTHER, "pod-2", at(41), at(50), "succeeded"),
    )
    facts = replace(WHOLE, attempts=attempts, refunds=(Refunded(POD, "EvictionByEvictionAPI", at(31)),), notes=())
    assert "backoff" not in whats(facts)
    failed = next(entry for entry in entries_of(facts) if entry.what is What.ATTEMPT_FAILED)
    assert failed.detail == {"class": "disruption", "message": "Evicted", "seconds": 7.0, "charged": False}
    refunded = next(entry for entry in entries_of(facts) if entry.what is What.REFUNDED)
    assert refunded.pod == "pod-1"


def cancelled(*notes: Note, **changes: Any) -> Facts:
    over = {"phase": "Cancelled", "reason": "Cancelled", "completed_at": at(31.5), "recorded_at": at(35.2)}
    return Facts(course(**{**over, **changes}), notes=notes)


def test_the_receipt_names_the_apis_user_before_what_any_client_calls_itself() -> None:
    by_api = note(What.CANCEL_ASKED, 31.1, "api/ada", by="ada", through="api")
    seen = note(What.CANCEL_ASKED, 31, "spec", by="forge-jobs", through="kubernetes")
    receipt = receipt_of(cancelled(seen, by_api, note(What.CANCELLING, 31.4)))
    assert (receipt.requested_by, receipt.through, receipt.requested_at) == ("ada", "api", at(31.1))
    assert (receipt.decided_at, receipt.counted_at, receipt.events) == (at(31.4), at(35.2), 0)


def test_without_the_api_the_client_is_named_as_it_calls_itself() -> None:
    seen = note(What.CANCEL_ASKED, 31, "spec", by="forge-jobs", through="kubernetes")
    receipt = receipt_of(cancelled(seen))
    assert (receipt.requested_by, receipt.through, receipt.decided_at) == ("forge-jobs", "kubernetes", at(31.5))


def test_of_a_deleted_job_nobody_knows_who_asked() -> None:
    receipt = receipt_of(cancelled(reason="Deleted", deleted_at=at(31.4)))
    assert (receipt.requested_by, receipt.through, receipt.requested_at) == ("", "deletion", at(31.4))


def test_the_last_pod_is_not_gone_while_one_of_several_is_left() -> None:
    first = note(What.POD_SCHEDULED, 20, str(POD), pod="a"), note(What.POD_ENDED, 33, str(POD), pod="a")
    second = note(What.POD_SCHEDULED, 21, str(OTHER), pod="b")
    assert receipt_of(cancelled(*first, second)).last_pod_ended_at is None
    gone = receipt_of(cancelled(*first, second, note(What.POD_ENDED, 34, str(OTHER), pod="b")))
    assert gone.last_pod_ended_at == at(34)


def test_refused_uploads_of_all_pods_are_counted() -> None:
    refused = (note(What.UPLOAD_REFUSED, 40, str(pod), pod="p", times=times) for pod, times in ((POD, 3), (OTHER, 1)))
    assert receipt_of(cancelled(*refused)).refused_uploads == 4

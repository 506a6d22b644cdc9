"""Cursors, stored bodies, uploads, statuses: the pure parts of the API."""

import gzip
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api import cursors
from forge_api.bodies import takes_gzip, unpacked
from forge_api.current import with_status
from forge_api.internal.spooling import Promise, promised, spooled
from forge_api.problems import Problem, document
from forge_api.relay import Closed, Gap, Listener, newer
from forge_api.submitter import is_final, sentence
from forge_api.views import Analysis, Status
from forge_core.cluster import Refused, Unavailable, Unreachable
from forge_core.history.pages import Place
from forge_core.history.queries import Job
from forge_core.phase import Phase

UID = uuid.UUID("7d9f7d0c-6f0e-4c7a-9a49-0d1f3f1b5c11")


def make_job(phase: Phase = Phase.RUNNING, **changes: object) -> Job:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    given: dict[str, object] = {
        "id": UID, "uid": UID, "tenant": "acme", "namespace": "ns", "name": "n", "queue": "analysis",
        "repository_id": "", "requested_by": "", "priority": 1, "phase": phase, "stage": "", "progress": 30,
        "attempts": 1, "message": "", "reason": "", "summary": None, "created_at": now, "started_at": now,
        "completed_at": None, "deleted_at": None, "sla_breached_at": None,
    }  # fmt: skip
    return Job(**{**given, **changes})  # type: ignore[arg-type]


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_leads_back_to_its_place(moment: datetime, job_id: uuid.UUID) -> None:
    place = Place(moment, job_id)
    assert cursors.decode(cursors.encode(place)) == place


@given(st.text(max_size=60))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(Problem):
        cursors.decode(text)


def test_a_problem_carries_its_sentence_as_error_too() -> None:
    told = document(404, "Job not found")
    assert told == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Job not found",
        "error": "Job not found",
    }


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip, deflate", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;q=x", False),
        ("*;q=1, gzip;q=0", False),
    ],
)
def test_gzip_is_sent_only_to_those_who_take_it(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


@given(st.binary(max_size=2000), st.integers(min_value=1, max_value=3000))
def test_a_stored_body_is_unpacked_to_what_it_was(body: bytes, times: int) -> None:
    whole = body * times
    assert b"".join(unpacked(gzip.compress(whole))) == whole


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.anyio
async def test_a_spooled_upload_is_what_was_promised_or_nothing() -> None:
    parts = [b"a" * 300_000, b"", b"b" * 10]
    whole = b"".join(parts)
    promise = Promise(len(whole), hashlib.sha256(whole).digest())
    assert gzip.decompress(await spooled(pieces(*parts), promise)) == whole
    for wrong in (Promise(len(whole) - 1, promise.sha256), Promise(len(whole), b"0" * 32)):
        with pytest.raises(Problem):
            await spooled(pieces(*parts), wrong)


@pytest.mark.parametrize(
    ("length", "digest", "status"),
    [
        (None, "", 411),
        ("x", "", 411),
        ("-1", "", 411),
        ("5", None, 422),
        ("5", "sha-256=AAAA", 422),
        ("5", "sha-512=:AAAA:", 422),
    ],
)
def test_an_upload_must_promise_its_length_and_digest(length: str | None, digest: str | None, status: int) -> None:
    with pytest.raises(Problem) as problem:
        promised(length, digest)
    assert problem.value.status_code == status


def test_stream_ids_are_compared_as_numbers() -> None:
    assert newer("10-0", "9-5")
    assert newer("9-10", "9-9")
    assert not newer("9-9", "9-9")


@pytest.mark.anyio
async def test_a_listener_that_is_full_is_closed_and_hears_only_that() -> None:
    listener = Listener(UID)
    for _ in range(300):
        listener.push(Gap())
    assert await listener.next() == Closed("too slow: messages were left unread")
    listener.push(Gap())
    assert isinstance(await listener.next(), Closed)


@pytest.mark.parametrize("phase", list(Phase))
def test_statuses_are_the_phases_in_lower_case(phase: Phase) -> None:
    view = Analysis.of(make_job(phase))
    assert view.status.value == phase.value.lower()
    assert Status(view.status).phase == phase


def test_a_summary_is_shown_only_of_a_completed_job() -> None:
    assert Analysis.of(make_job(summary={"score": 1})).summary is None
    assert Analysis.of(make_job(Phase.COMPLETED, summary={"score": 1, "more": 2})).summary == {"score": 1}


def test_a_status_of_another_object_of_that_name_is_not_shown() -> None:
    status = {"phase": "Completed", "progress": 100}
    assert with_status(make_job(), {"metadata": {"uid": str(uuid.uuid4())}, "status": status}) == make_job()
    assert with_status(make_job(), {"metadata": {"uid": str(UID)}, "status": status}).phase == Phase.COMPLETED
    assert with_status(make_job(), {"metadata": {"uid": str(UID)}, "status": {"phase": "New"}}) == make_job()


@pytest.mark.parametrize(
    ("status", "message", "final"),
    [
        (422, "spec.queue: Required value", True),
        (400, "strict decoding error: unknown field", True),
        (413, "request entity too large", True),
        (403, "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: z", True),
        (403, 'admission webhook "x" denied the request: z', True),
        (403, "exceeded quota: forge", False),
        (403, "unable to create new content in namespace x because it is being terminated", False),
        (403, 'User "forge-api" cannot create resource "analysisjobs"', False),
    ],
)
def test_only_what_the_cluster_will_never_take_is_refused(status: int, message: str, final: bool) -> None:
    assert is_final(Refused(status, "", message)) is final


def test_a_waiting_job_says_what_it_waits_for() -> None:
    assert sentence(Refused(403, "Forbidden", "exceeded quota: forge")) == "exceeded quota: forge"
    assert "busy" in sentence(Unavailable(429, "TooManyRequests", "x"))
    assert "can't be reached" in sentence(Unreachable("x"))

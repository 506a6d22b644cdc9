"""The picture of a timeline: where the time went, within a hundred columns, whatever pods wrote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.accepting import prefers_text
from forge_api.timeline_spans import spans_of
from forge_api.timeline_text import WIDTH, Heading, columns, cut, length, rendered
from forge_core.history.notes import What
from forge_core.history.timeline_entries import Entry

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
HEADING = Heading("0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de", "nightly", "analysis", "completed")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def entry(what: What, when: float, number: int | None = None, pod: str | None = None, **detail: Any) -> Entry:
    return Entry(at(when), what, detail, number, pod)


QUEUED = [
    entry(What.SUBMITTED, 0, through="api", by="ada", queue="analysis"),
    entry(What.HELD, 0, gate="ConcurrencyReached", seconds=20.0, times=3, until=at(20).isoformat(), message="full"),
]
ADMITTED = [entry(What.ADMITTED, 20), entry(What.JOB_CREATED, 20, job="job-1")]
POD = [
    entry(What.POD_SCHEDULED, 21, pod="p", node="node-1", created=at(20).isoformat()),
    entry(What.IMAGE_PULLED, 25, pod="p", seconds=3.0),
    entry(What.POD_STARTED, 26, pod="p"),
]
ATTEMPTS = [
    entry(What.ATTEMPT_CLAIMED, 27, 1, "p"),
    entry(What.ATTEMPT_FAILED, 50, 1, "p", **{"class": "transient"}),
    entry(What.ATTEMPT_CLAIMED, 52, 2, "p"),
    entry(What.STAGE, 90, 2, "p", stage="saving"),
    entry(What.ATTEMPT_SUCCEEDED, 92, 2, "p", seconds=40.0),
]
END = [entry(What.ENDED, 93, phase="Completed"), entry(What.RECORDED, 94), entry(What.DELIVERED, 95, type="x")]

SPANS: dict[str, tuple[list[Entry], list[tuple[str, int, int | None]]]] = {
    "one that waits": (QUEUED, [("waiting for gates", 0, None), ("· ConcurrencyReached", 0, 20)]),
    "one that has been admitted": (
        QUEUED + ADMITTED,
        [("waiting for gates", 0, 20), ("· ConcurrencyReached", 0, 20)],
    ),
    "a pod that is pulled for": (
        ADMITTED + POD[:1],
        [("scheduling", 20, 21), ("pulling, starting", 21, None)],
    ),
    "a pod whose pull was seen": (
        ADMITTED + POD,
        [("scheduling", 20, 21), ("preparing pod", 21, 22), ("pulling image", 22, 25), ("starting", 25, 26)],
    ),
    "a pod whose pull was not seen": (
        [*ADMITTED, POD[0], POD[2]],
        [("scheduling", 20, 21), ("pulling, starting", 21, 26)],
    ),
    "an attempt that runs": (ATTEMPTS[:1], [("attempt 1", 27, None)]),
    "two attempts and their end": (
        ATTEMPTS + END,
        [
            ("attempt 1", 27, 50), ("backoff", 50, 52), ("attempt 2", 52, 90), ("saving", 90, 92),
            ("recording", 93, 94), ("delivering", 94, 95),
        ],
    ),
    "one that is being cancelled": (
        [*ATTEMPTS[:1], entry(What.CANCELLING, 30)],
        [("attempt 1", 27, None), ("stopping pods", 30, None)],
    ),
    "one that was cancelled": (
        [*ATTEMPTS[:1], entry(What.CANCELLING, 30), entry(What.POD_ENDED, 44, pod="p"), entry(What.ENDED, 30)],
        [("attempt 1", 27, 30), ("stopping pods", 30, 44)],
    ),
    "nothing at all": ([], []),
}  # fmt: skip


@pytest.mark.parametrize("what", SPANS)
def test_where_the_time_went(what: str) -> None:
    entries, expected = SPANS[what]
    found = [(span.label, span.began, span.ended) for span in spans_of(entries)]
    assert found == [(label, at(began), None if ended is None else at(ended)) for label, began, ended in expected]


def test_the_picture_has_a_bar_for_each_span_and_a_line_for_each_entry() -> None:
    text = rendered(HEADING, QUEUED + ADMITTED + POD + ATTEMPTS + END, at(200))
    lines = text.splitlines()
    assert lines[0] == f"{HEADING.id}  nightly"
    assert lines[1] == "queue analysis, completed, 95.0 s"
    bars = {line[:22].strip(): line for line in lines if "█" in line or "░" in line}
    assert list(bars) == [
        "waiting for gates", "· ConcurrencyReached", "scheduling", "preparing pod", "pulling image", "starting",
        "attempt 1", "backoff", "attempt 2", "saving", "recording", "delivering",
    ]  # fmt: skip
    assert bars["attempt 2"].endswith("38.0 s   40 %")
    assert bars["waiting for gates"].index("░") == 22
    assert lines.count("") == 2
    assert len(lines) == 4 + len(bars) + 1 + 15
    assert "ConcurrencyReached for 20.0 s in 3 spells: full" in text
    assert "by ada" in text


def test_what_goes_on_ends_in_an_arrow_now() -> None:
    text = rendered(HEADING, ATTEMPTS[:1], at(57))
    assert "▸" in text
    assert "30.0 s  100 %" in text


def test_a_terminal_obeys_nothing_that_a_pod_wrote() -> None:
    evil = entry(What.ATTEMPT_FAILED, 3, 1, "p", message="\x1b[2J\x1b]0;owned\x07\r\n\u202etxt.exe\x9b31m")
    text = rendered(HEADING, [entry(What.SUBMITTED, 0), evil], at(5))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert len(text.splitlines()) == 8


texts = st.text(max_size=300)
details = st.dictionaries(
    st.sampled_from(["gate", "seconds", "until", "message", "stage", "created", "times", "by", "through", "count"]),
    texts | st.integers() | st.floats(0, 1e9),
    max_size=6,
)


@given(
    st.lists(
        st.builds(
            Entry,
            at=st.floats(0, 1e7).map(at),
            what=st.sampled_from(list(What)),
            detail=details,
            attempt=st.none() | st.integers(1, 5),
            pod=st.none() | texts,
        ),
        max_size=40,
    )
)
def test_no_line_is_wider_than_a_hundred_columns_whatever_is_told(entries: list[Entry]) -> None:
    for line in rendered(Heading("x" * 200, "名" * 200, "q", "failed"), entries, at(1e7)).splitlines():
        assert columns(line) <= WIDTH


def test_wide_signs_are_counted_as_two_columns() -> None:
    assert (columns("名a"), cut("名名名", 5), cut("abc", 3)) == (3, "名名…", "abc")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.00 s"), (0.426, "0.43 s"), (12.34, "12.3 s"), (245, "4m05s"), (7980, "2h13m"), (200_000, "2d07h")],
)
def test_lengths_are_written_short(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("accepted", "text"),
    [
        ("text/plain", True),
        ("text/*", True),
        ("application/json, text/plain;q=0.5", False),
        ("application/json;q=0.5, text/plain", True),
        ("*/*", False),
        ("application/json", False),
        ("", False),
        ("text/plain;q=0", False),
        ("text/plain;q=x", False),
        (";;,,=;q", False),
    ],
)
def test_a_client_is_given_the_picture_when_it_would_rather_have_it(accepted: str, text: bool) -> None:
    assert prefers_text(accepted) is text

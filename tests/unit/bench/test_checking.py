"""The checker of `make bench-faults` finds nothing where nothing is, and each kind of planted fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bench.faults.checking import violations
from bench.faults.evidence import Evidence, Row, Rules, SeenAttempt, SeenChild, SeenEvent, SeenJob, SeenPhase
from forge_core.assignment import Backoff

BEGUN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
RULES = Rules(concurrency=2, budget=3, backoff=Backoff(type="exponential", delay=2), starts=3)


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def attempt(uid: str, number: int, begun: float, ended: float, outcome: str = "succeeded") -> SeenAttempt:
    return SeenAttempt(uid, number, f"pod-{uid}", at(begun), at(ended), outcome, refunded=False, told=True)


def evidence() -> Evidence:
    """Three jobs of one queue: `a` failed once and completed, `b` failed for good, `c` was cancelled as it waited."""
    jobs = (
        SeenJob("a", "job-a", "analysis", "Completed", 2, at(10)),
        SeenJob("b", "job-b", "analysis", "Failed", 1, at(8)),
        SeenJob("c", "job-c", "analysis", "Cancelled", 0, at(4)),
    )
    courses = {"a": ("Queued", "Running", "Completed"), "b": ("Running", "Failed"), "c": ("Queued", "Cancelled")}
    return Evidence(
        accepted=frozenset("abc"),
        rules={"analysis": RULES},
        jobs=jobs,
        phases=tuple(SeenPhase(uid, n, phase) for uid, course in courses.items() for n, phase in enumerate(course)),
        children=(SeenChild("child-a", "a", at(0)), SeenChild("child-b", "b", at(3))),
        rows=tuple(Row(f"row-{j.uid}", j.uid, j.phase, j.attempts, j.completed_at, True) for j in jobs),
        attempts=(
            attempt("a", 1, 1, 2, "failed"),
            attempt("a", 2, 4, 9),
            attempt("b", 1, 4, 7, "failed"),
        ),
        events=(
            SeenEvent("1", "row-a", "analysis.completed", True),
            SeenEvent("2", "row-b", "analysis.failed", True),
        ),
        read=frozenset({"1", "2"}),
    )


def job(given: Evidence, uid: str, **changes: object) -> Evidence:
    return replace(given, jobs=tuple(replace(j, **changes) if j.uid == uid else j for j in given.jobs))  # type: ignore[arg-type]


def row(given: Evidence, uid: str, **changes: object) -> Evidence:
    return replace(given, rows=tuple(replace(r, **changes) if r.uid == uid else r for r in given.rows))  # type: ignore[arg-type]


def test_nothing_is_found_where_nothing_is() -> None:
    assert violations(evidence()) == []


PLANTED: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "a job that was accepted is gone": ("lost", lambda e: replace(e, accepted=e.accepted | {"d"})),
    "a job that never ends": ("lost", lambda e: job(row(e, "c", phase="Queued"), "c", phase="Queued")),
    "an end that was taken back": ("final", lambda e: replace(e, phases=(*e.phases, SeenPhase("a", 9, "Running")))),
    "Cancelling that ended as Completed": (
        "final",
        lambda e: replace(e, phases=(*e.phases, SeenPhase("d", 1, "Cancelling"), SeenPhase("d", 2, "Completed"))),
    ),
    "a second Job": ("one Job", lambda e: replace(e, children=(*e.children, SeenChild("child-2", "a", at(5))))),
    "three at once": (
        "cap",
        lambda e: replace(e, rules={"analysis": replace(RULES, concurrency=1)}),
    ),
    "too many starts in a window": ("rate", lambda e: replace(e, rules={"analysis": replace(RULES, starts=1)})),
    "a fourth charged attempt": (
        "budget",
        lambda e: replace(
            e,
            attempts=(
                *(attempt("b", n, 4 + 20 * n, 7 + 20 * n, "failed") for n in range(1, 5)),
                *(each for each in e.attempts if each.job_uid == "a"),
            ),
        ),
    ),
    "two attempts that succeeded": ("budget", lambda e: replace(e, attempts=(*e.attempts, attempt("a", 3, 20, 21)))),
    "Completed without a result": (
        "result",
        lambda e: replace(e, attempts=tuple(a for a in e.attempts if a.outcome == "failed")),
    ),
    "a backoff that was cut short": (
        "backoff",
        lambda e: replace(e, attempts=tuple(replace(a, claimed_at=at(3)) if a.number == 2 else a for a in e.attempts)),
    ),
    "no row": ("row", lambda e: replace(e, rows=e.rows[:2])),
    "two rows": ("row", lambda e: replace(e, rows=(*e.rows, replace(e.rows[2], id="row-d")))),
    "another phase in the row": ("row", lambda e: row(e, "c", phase="Failed")),
    "another count of attempts in the row": ("row", lambda e: row(e, "a", attempts=1)),
    "an end that was not recorded": ("row", lambda e: row(e, "c", recorded=False)),
    "another time of the end in the row": ("row", lambda e: row(e, "b", completed_at=at(9))),
    "an end that was not told": ("event", lambda e: replace(e, events=e.events[:1])),
    "an end that was told twice": (
        "event",
        lambda e: replace(e, events=(*e.events, SeenEvent("3", "row-a", "analysis.completed", True))),
    ),
    "a cancelled job that was told": (
        "event",
        lambda e: replace(e, events=(*e.events, SeenEvent("3", "row-c", "analysis.failed", True))),
    ),
    "two events of one id": (
        "event",
        lambda e: replace(e, events=tuple(replace(event, id="1") for event in e.events)),
    ),
    "an event that was never published": (
        "event",
        lambda e: replace(e, events=(e.events[0], replace(e.events[1], published=False))),
    ),
    "an event that is not in the stream": ("event", lambda e: replace(e, read=frozenset("1"))),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    check, plant = PLANTED[fault]
    found = violations(plant(evidence()))
    assert {violation.check for violation in found} >= {check}, found


def test_seconds_of_kubernetes_accuse_nobody() -> None:
    """A slot that is freed and taken within one second is held once at a time."""
    given = evidence()
    next_one = SeenJob("d", "job-d", "analysis", "Cancelled", 0, at(12))
    given = replace(
        given,
        rules={"analysis": replace(RULES, concurrency=2, starts=None)},
        accepted=given.accepted | {"d"},
        jobs=(*given.jobs, next_one),
        rows=(*given.rows, Row("row-d", "d", "Cancelled", 0, at(12), True)),
        children=(*given.children, SeenChild("child-d", "d", at(8))),
    )
    assert violations(given) == []


def test_a_refunded_attempt_is_not_charged_and_asks_for_no_backoff() -> None:
    given = evidence()
    refunded = tuple(replace(a, refunded=True, claimed_at=at(1)) for a in given.attempts if a.number == 1)
    given = replace(given, attempts=(refunded[0], replace(given.attempts[1], claimed_at=at(2)), refunded[1]))
    assert violations(given) == []


def test_a_stream_that_was_emptied_proves_nothing() -> None:
    assert violations(replace(evidence(), read=None)) == []

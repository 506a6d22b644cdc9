"""The checker: from evidence to violations of what is promised. Pure, and it knows nothing of how the programs work.

Times of Kubernetes have whole seconds. Every comparison is made so that truncation can't accuse anybody: a slot is
held from its Job's second until that of its end, excluded.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from bench.faults.evidence import Evidence, Row, SeenAttempt

TERMINAL: Final = frozenset({"Completed", "Failed", "Cancelled"})
_TOLD: Final = {"Completed": "completed", "Failed": "failed"}
CLOCKS: Final = timedelta(milliseconds=20)
"""Two timestamps of two processes on one machine may differ by so much."""


@dataclass(frozen=True)
class Violation:
    """`check` names the promise, `who` the job, queue or event."""

    check: str
    who: str
    sentence: str


Check = Callable[[Evidence], Iterator[Violation]]


def violations(evidence: Evidence) -> list[Violation]:
    """All that was broken, in the order of CHECKS."""
    return [found for check in CHECKS for found in check(evidence)]


def every_accepted_job_is_over(evidence: Evidence) -> Iterator[Violation]:
    """No job is lost: each AnalysisJob that was taken has ended."""
    seen = {job.uid: job for job in evidence.jobs}
    for uid in sorted(evidence.accepted):
        job = seen.get(uid)
        if job is None:
            yield Violation("lost", uid, "it was accepted and is no longer there")
        elif job.phase not in TERMINAL:
            yield Violation("lost", uid, f"{job.name} is {job.phase or 'without a phase'} for ever")


def an_end_is_final(evidence: Evidence) -> Iterator[Violation]:
    """A terminal phase is never followed by another one, and Cancelling only by Cancelled."""
    seen = sorted(set(evidence.phases), key=lambda each: (each.uid, each.version))
    for before, after in pairwise(seen):
        if before.uid != after.uid or before.phase == after.phase:
            continue
        if before.phase in TERMINAL or (before.phase == "Cancelling" and after.phase != "Cancelled"):
            yield Violation("final", before.uid, f"{before.phase} was followed by {after.phase}")


def at_most_one_job_each(evidence: Evidence) -> Iterator[Violation]:
    """One AnalysisJob never makes a second batch/v1 Job."""
    for owner, children in evidence.children_by_owner.items():
        uids = {child.uid for child in children}
        if len(uids) > 1:
            yield Violation("one Job", owner, f"{len(uids)} Jobs were made for it")


def caps_are_never_broken(evidence: Evidence) -> Iterator[Violation]:
    """At no moment does a queue hold more slots than its concurrency."""
    jobs = {job.uid: job for job in evidence.jobs}
    changes: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for owner, children in evidence.children_by_owner.items():
        job = jobs.get(owner)
        if job is None or job.completed_at is None:
            continue
        begun = min(child.created_at for child in children)
        if begun < job.completed_at.replace(microsecond=0):
            changes[job.queue] += [(begun, 1), (job.completed_at.replace(microsecond=0), -1)]
    for queue, moments in changes.items():
        held = most = 0
        for _, change in sorted(moments):
            held += change
            most = max(most, held)
        if most > evidence.rules[queue].concurrency:
            yield Violation("cap", queue, f"{most} at once, {evidence.rules[queue].concurrency} allowed")


def rates_are_never_broken(evidence: Evidence) -> Iterator[Violation]:
    """In no window of its length does a queue start more than its rate limit says."""
    queue_of = {job.uid: job.queue for job in evidence.jobs}
    starts = defaultdict(list)
    for owner, children in evidence.children_by_owner.items():
        if owner in queue_of:
            starts[queue_of[owner]].append(min(child.created_at for child in children))
    for queue, times in starts.items():
        rules = evidence.rules[queue]
        times.sort()
        for first, over in zip(times, times[rules.starts or len(times) :], strict=False):
            if over - first < rules.per:
                yield Violation("rate", queue, f"{(rules.starts or 0) + 1} starts within {over - first} of {first}")
                break


def attempts_are_within_budget(evidence: Evidence) -> Iterator[Violation]:
    """No job is charged for more attempts than its queue gives, none succeeds twice, none goes on after a success."""
    queue_of = {job.uid: job.queue for job in evidence.jobs}
    for uid, attempts in _by_job(evidence).items():
        charged = [each for each in attempts if not each.refunded]
        budget = evidence.rules[queue_of[uid]].budget if uid in queue_of else len(charged)
        if len(charged) > budget:
            yield Violation("budget", uid, f"charged for {len(charged)} attempts, {budget} allowed")
        succeeded = [each.number for each in attempts if each.outcome == "succeeded"]
        if len(succeeded) > 1 or (succeeded and succeeded[0] != attempts[-1].number):
            yield Violation("budget", uid, f"attempts {succeeded} of {len(attempts)} succeeded")


def a_completed_job_has_a_result(evidence: Evidence) -> Iterator[Violation]:
    """Completed means that exactly one attempt succeeded; Cancelled and Failed that none did in the end."""
    succeeded = {each.job_uid for each in evidence.attempts if each.outcome == "succeeded"}
    for job in evidence.jobs:
        if job.phase == "Completed" and job.uid not in succeeded:
            yield Violation("result", job.uid, "it is Completed and no attempt succeeded")


def backoffs_are_as_asked(evidence: Evidence) -> Iterator[Violation]:
    """Between a charged attempt whose end the runner told and the next one lies at least the queue's backoff."""
    queue_of = {job.uid: job.queue for job in evidence.jobs}
    for uid, attempts in _by_job(evidence).items():
        if uid not in queue_of:
            continue
        backoff, failed = evidence.rules[queue_of[uid]].backoff, 0
        for one, other in pairwise(attempts):
            if one.refunded:
                continue
            failed += 1
            if one.told and one.ended_at is not None:
                asked, was = timedelta(seconds=backoff.pause_after(failed)), other.claimed_at - one.ended_at
                if was < asked - CLOCKS:
                    yield Violation("backoff", uid, f"attempt {other.number} after {was}, {asked} were asked for")


def rows_say_what_statuses_say(evidence: Evidence) -> Iterator[Violation]:
    """The history has one row for each job, with the same end."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        rows[row.uid].append(row)
    for job in evidence.jobs:
        found = rows.get(job.uid, [])
        if len(found) != 1:
            yield Violation("row", job.uid, f"{job.name} has {len(found)} rows")
            continue
        row = found[0]
        if (row.phase, row.attempts) != (job.phase, job.attempts):
            said = (
                f"the row says {row.phase} after {row.attempts} attempts, the status {job.phase} after {job.attempts}"
            )
            yield Violation("row", job.uid, said)
        elif not row.recorded:
            yield Violation("row", job.uid, f"the end of {job.name} was never recorded")
        elif job.phase != "Cancelled" and row.completed_at != job.completed_at:
            yield Violation("row", job.uid, f"it ended at {row.completed_at}, says the row, and at {job.completed_at}")


def each_end_is_told_once(evidence: Evidence) -> Iterator[Violation]:
    """Each job that completed or failed has one event of its own id, published; a cancelled one has none."""
    queue_of, told = {job.uid: job.queue for job in evidence.jobs}, defaultdict(list)
    for event in evidence.events:
        told[event.job_id].append(event)
    if len({event.id for event in evidence.events}) != len(evidence.events):
        yield Violation("event", "", "two rows of the outbox share an id")
    for row in evidence.rows:
        if row.uid not in queue_of:
            continue
        kind, word = evidence.rules[queue_of[row.uid]].event_kind, _TOLD.get(row.phase)
        wanted = [f"{kind}.{word}"] if kind and word else []
        found = [event.type for event in told[row.id]]
        if found != wanted:
            yield Violation("event", row.id, f"it is {row.phase}; told were {found}, not {wanted}")
        for event in told[row.id]:
            if not event.published or (evidence.read is not None and event.id not in evidence.read):
                yield Violation("event", row.id, f"{event.type} never came to the tenant's stream")


def _by_job(evidence: Evidence) -> dict[str, list[SeenAttempt]]:
    found: dict[str, list[SeenAttempt]] = defaultdict(list)
    for attempt in sorted(evidence.attempts, key=lambda each: each.number):
        found[attempt.job_uid].append(attempt)
    return found


CHECKS: Final[tuple[Check, ...]] = (
    every_accepted_job_is_over,
    an_end_is_final,
    at_most_one_job_each,
    caps_are_never_broken,
    rates_are_never_broken,
    attempts_are_within_budget,
    a_completed_job_has_a_result,
    backoffs_are_as_asked,
    rows_say_what_statuses_say,
    each_end_is_told_once,
)

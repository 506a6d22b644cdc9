"""How long each gate held a job, from running totals: the same as a look at each job in each decision would give."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from forge_operator.admission.admitting import Admission
from forge_operator.admission.gates import Reach, Refused
from forge_operator.reasons import Reason
from forge_operator.record.gates import STARTS_KEPT, Gates, Held
from tests.builders.operator import NOW

TENANT = "tenant-a"
HERE = ("analysis", TENANT)


@dataclass(frozen=True)
class Job:
    """As much of a job as is looked at."""

    uid: str


@dataclass(frozen=True)
class Turn:
    """As much of a round as is looked at."""

    queue: str


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def round_of(
    stopped: Reason | None, *own: tuple[str, Reason], capped: Reason | None = None, queue: str = "analysis"
) -> Admission:
    """A round that ended at a gate of the whole queue, and met jobs and a tenant that something of theirs holds."""
    admission = Admission(cast("Any", Turn(queue)))
    for uid, reason in own:
        admission.refused.append((cast("Any", Job(uid)), TENANT, Refused(reason, "own")))
    if capped:
        admission.refused.append((cast("Any", Job("any")), TENANT, Refused(capped, "cap", Reach.TENANT)))
    if stopped:
        refused = Refused(stopped, f"because {stopped}", Reach.QUEUE)
        admission.refused.append((cast("Any", Job("other")), "another", refused))
    return admission


def left(gates: Gates, uid: str, seconds: float) -> dict[Reason, Held]:
    return {held.reason: held for held, _ in gates.left(uid, at(seconds))}


def test_a_job_is_told_only_what_held_it_while_it_waited() -> None:
    gates = Gates()
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(0))
    gates.came("late", HERE, at(5), at(5))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(6))
    gates.saw([round_of(Reason.QUEUE_PAUSED)], at(8))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(12))
    held = left(gates, "late", 15)
    assert {reason: (h.seconds, h.times) for reason, h in held.items()} == {
        Reason.CONCURRENCY_REACHED: (6.0, 2), Reason.QUEUE_PAUSED: (4.0, 1),
    }  # fmt: skip
    full = held[Reason.CONCURRENCY_REACHED]
    assert (full.first, full.until, full.message) == (at(5), at(15), "because ConcurrencyReached")
    assert (held[Reason.QUEUE_PAUSED].first, held[Reason.QUEUE_PAUSED].until) == (at(8), at(12))


def test_a_job_that_starts_at_once_was_held_by_nothing() -> None:
    gates = Gates()
    gates.saw([round_of(Reason.RATE_REACHED)], at(0))
    gates.saw([], at(1))
    gates.came("quick", HERE, at(2), at(2))
    gates.saw([round_of(None)], at(2.1))
    assert left(gates, "quick", 2.2) == {}
    assert gates.waiting == 0


def test_what_holds_a_single_job_is_told_of_it_alone() -> None:
    gates = Gates()
    for uid in ("a", "b"):
        gates.came(uid, HERE, at(0), at(0))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED, ("a", Reason.CLASS_MISSING))], at(1))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(4))
    assert left(gates, "a", 6)[Reason.CLASS_MISSING].seconds == 3.0
    assert left(gates, "b", 6).keys() == {Reason.CONCURRENCY_REACHED}


def test_a_tenants_cap_is_told_of_all_its_jobs_and_of_no_other_tenants() -> None:
    gates = Gates()
    gates.came("ours", HERE, at(0), at(0))
    gates.came("theirs", ("analysis", "another"), at(0), at(0))
    gates.came("elsewhere", ("cleanup", TENANT), at(0), at(0))
    for second in range(3):
        gates.saw([round_of(None, capped=Reason.TENANT_QUOTA_REACHED)], at(second))
    assert left(gates, "ours", 3)[Reason.TENANT_QUOTA_REACHED].seconds == 3.0
    assert left(gates, "theirs", 3) == left(gates, "elsewhere", 3) == {}


def test_of_a_job_that_waited_before_this_operator_began_it_is_said_since_when_was_counted() -> None:
    gates = Gates()
    gates.came("old", HERE, at(-600), at(0))
    gates.came("new", HERE, at(0), at(0))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(0.5))
    [(_, counted_from)] = list(gates.left("old", at(3)))
    assert counted_from == at(0.5)
    [(_, counted_from)] = list(gates.left("new", at(3)))
    assert counted_from is None


def test_a_time_without_decisions_is_counted_for_no_gate() -> None:
    gates = Gates()
    gates.came("job", HERE, at(0), at(0))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(0))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(2))
    gates.saw([round_of(Reason.CONCURRENCY_REACHED)], at(500))
    [(held, counted_from)] = list(gates.left("job", at(503)))
    assert (held.seconds, counted_from) == (5.0, at(500))


def test_queues_in_which_nobody_waits_are_forgotten_whatever_a_manifest_named() -> None:
    gates = Gates()
    for number in range(100):
        gates.came(f"job-{number}", (f"queue-{number}", TENANT), at(0), at(0))
        gates.saw([round_of(Reason.QUEUE_MISSING, queue=f"queue-{number}")], at(number / 10))
        left(gates, f"job-{number}", number / 10 + 0.05)
    gates.saw([], at(20))
    assert gates._ledgers == {}


QUEUE_WIDE = [None, Reason.CONCURRENCY_REACHED, Reason.RATE_REACHED, Reason.QUEUE_PAUSED]
OWN = [None, Reason.CREATION_REFUSED, Reason.CLASS_MISSING]


@given(
    st.lists(st.tuples(st.sampled_from(QUEUE_WIDE), st.sampled_from(OWN)), min_size=1, max_size=3 * STARTS_KEPT),
    st.data(),
)
def test_totals_are_those_of_looking_at_the_job_in_each_decision(
    decisions: list[tuple[Reason | None, Reason | None]], data: st.DataObject
) -> None:
    came = data.draw(st.integers(0, len(decisions) - 1))
    gates, seconds, spells = Gates(), Counter[Reason](), Counter[Reason]()
    before: tuple[Reason | None, Reason | None] = (None, None)
    for moment, (whole, own) in enumerate(decisions):
        if moment == came:
            gates.came("job", HERE, at(moment), at(moment))
            before = (decisions[moment - 1][0] if moment else None, None)
            spells.update(reason for reason in before[:1] if reason)
        waits = moment >= came
        gates.saw([round_of(whole, *([("job", own)] if own and waits else []))], at(moment))
        for reason, earlier in zip((whole, own), before, strict=True) if waits else ():
            if reason is not None:
                seconds[reason] += 1
                spells[reason] += reason is not earlier
        before = (whole, own) if waits else (whole, None)
    held = left(gates, "job", len(decisions))
    assert {reason: h.seconds for reason, h in held.items()} == dict(+seconds)
    for reason, h in held.items():
        # A gate that held when the job came, and no more at the first decision after, held it for no time.
        assert spells[reason] - 1 <= h.times <= spells[reason]
        assert at(came) <= h.first <= h.until <= at(len(decisions))

"""Doing a failed job again by a manifest: of several that name one origin exactly the first is carried out."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from forge_core.exits import Exit
from forge_core.phase import Phase
from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from tests.builders.operator import (
    NAMESPACE,
    NOW,
    Raw,
    condition,
    make_child,
    make_job,
    make_namespace,
    make_node,
    make_picture,
    make_queue,
    with_status,
)
from tests.builders.world import World

ORIGIN = "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de"
OTHER = "5f0c9f7e-93a7-4df1-8f0e-6d1c8a1f2b3c"


def retry(name: str, origin: str = ORIGIN, **changes: Any) -> Raw:
    return make_job(name, retryOf=origin, **changes)


def picture_of(*jobs: Raw) -> Picture:
    return make_picture([(Kind.ANALYSIS_JOB, job) for job in jobs])


def started(picture: Picture) -> set[str]:
    names = {job.uid: job.name for job in picture.analysis_jobs.values()}
    return {names[action.uid] for action in decide(picture, NOW) if isinstance(action, CreateJob)}


def refused(picture: Picture) -> dict[str, str]:
    """Names of those that end as invalid, with their messages."""
    return {
        action.name: action.status["message"]
        for action in decide(picture, NOW)
        if isinstance(action, PatchStatus) and action.phase is Phase.FAILED
    }


def invalid(job: Raw) -> Raw:
    return with_status(job, phase="Failed", conditions=[condition("Failed", "Invalid")])


def test_of_two_the_older_runs_and_the_other_is_told_what_to_do() -> None:
    picture = picture_of(retry("b-older", age=60), retry("a-younger", age=30))
    assert started(picture) == {"b-older"}
    ((name, message),) = refused(picture).items()
    assert name == "a-younger"
    assert "AnalysisJob b-older does the same job again and comes first" in message
    assert "leave retryOf out" in message


def test_of_two_of_one_second_the_first_by_name_runs() -> None:
    picture = picture_of(retry("b"), retry("a"))
    assert (started(picture), set(refused(picture))) == ({"a"}, {"b"})


def test_one_that_has_begun_comes_before_an_older_one_that_waits() -> None:
    """The older one turns up late, by a stale watch or after its queue came."""
    younger, older = retry("younger", age=30), retry("older", age=60)
    picture = picture_of(with_status(younger, phase="Running"))
    picture.observe(Kind.JOB, "ADDED", make_child(younger))
    picture.observe(Kind.ANALYSIS_JOB, "ADDED", older)
    assert (started(picture), set(refused(picture))) == (set(), {"older"})


@pytest.mark.parametrize("phase", ["Completed", "Failed"])
def test_one_that_has_ended_still_counts(phase: str) -> None:
    picture = picture_of(with_status(retry("first", age=30), phase=phase), retry("second", age=60))
    assert (started(picture), set(refused(picture))) == (set(), {"second"})


@pytest.mark.parametrize(
    "first",
    [
        with_status(retry("first"), phase="Cancelled"),
        with_status(retry("first"), phase="Cancelling"),
        retry("first", cancel=True),
        invalid(retry("first")),
        retry("first", priority=0),
        retry("first", namespace="tenant-b"),
        retry("first", OTHER),
        make_job("first"),
    ],
    ids=["cancelled", "cancelling", "withdrawn", "refused", "unreadable", "another tenant's", "another's", "no retry"],
)
def test_what_stands_in_nobodys_way(first: Raw) -> None:
    picture = picture_of(first, retry("second", age=1))
    assert "second" in started(picture)


def test_one_that_is_withdrawn_itself_is_cancelled_not_refused() -> None:
    picture = picture_of(retry("first"), retry("second", age=1, cancel=True))
    phases = {action.name: action.phase for action in decide(picture, NOW) if isinstance(action, PatchStatus)}
    assert phases["second"] is Phase.CANCELLED


def test_when_the_first_is_gone_the_second_takes_its_turn() -> None:
    first = retry("first", age=60)
    picture = picture_of(first, retry("second", age=30))
    gone = {**first, "metadata": {**first["metadata"], "resourceVersion": "99"}}
    picture.observe(Kind.ANALYSIS_JOB, "DELETED", gone)
    assert (started(picture), refused(picture)) == ({"second"}, {})


def test_an_origin_that_is_no_id_is_invalid_alone() -> None:
    picture = picture_of(retry("bad", "flask"), retry("good"))
    assert (started(picture), set(refused(picture))) == ({"good"}, {"bad"})
    assert "retryOf" in refused(picture)["bad"]


def test_thousands_of_the_same_cost_little_and_one_runs() -> None:
    """A tenant's loop that applies one manifest under ever new names."""
    picture = picture_of(*(retry(f"job-{number:05}") for number in range(5000)))
    assert started(picture) == {"job-00000"}
    held = [job for job in picture.analysis_jobs.values() if picture.retries.first(job.uid) is not None]
    assert len(held) == 4999


# --- whatever happens ---

SHAPES = st.sampled_from(
    ["waits", "waits", "waits", "runs", "completed", "failed", "invalid", "cancelled", "withdrawn"]
)
ORIGINS, NAMESPACES = st.sampled_from([None, ORIGIN, OTHER]), st.sampled_from([NAMESPACE, "tenant-b"])
JOBS = st.lists(st.tuples(ORIGINS, NAMESPACES, st.integers(1, 3), SHAPES), max_size=9)


def objects(shapes: Iterable[tuple[str | None, str, int, str]]) -> list[tuple[Kind, Raw]]:
    made: list[tuple[Kind, Raw]] = [(Kind.NAMESPACE, make_namespace("tenant-b"))]
    for number, (origin, namespace, age, shape) in enumerate(shapes):
        spec: dict[str, Any] = {"retryOf": origin} if origin else {}
        job = make_job(f"job-{number}", namespace=namespace, age=age, **spec)
        if shape == "runs":
            job = with_status(job, phase="Running")
            made.append((Kind.JOB, make_child(job)))
        elif shape == "invalid":
            job = invalid(job)
        elif shape == "withdrawn":
            job["spec"]["cancel"] = True
        elif shape != "waits":
            job = with_status(job, phase=shape.capitalize())
        made.append((Kind.ANALYSIS_JOB, job))
    return made


def outcome(picture: Picture) -> list[str]:
    return sorted(str(action) for action in decide(picture, NOW))


@given(JOBS, st.randoms(use_true_random=False))
def test_who_is_first_does_not_depend_on_the_order_of_observation(
    shapes: list[tuple[str | None, str, int, str]], chance: random.Random
) -> None:
    there = objects(shapes)
    shuffled = there + there[: len(there) // 2]
    chance.shuffle(shuffled)
    assert outcome(make_picture(there)) == outcome(make_picture(shuffled))


@given(JOBS)
def test_of_each_origin_at_most_one_is_carried_out_and_one_is_unless_it_was_before(
    shapes: list[tuple[str | None, str, int, str]],
) -> None:
    picture = make_picture(objects(shapes))
    starts, ends = started(picture), refused(picture)
    by_origin: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for number, (origin, namespace, _, shape) in enumerate(shapes):
        if origin:
            by_origin.setdefault((namespace, origin), []).append((f"job-{number}", shape))
    for claims in by_origin.values():
        waiting = {name for name, shape in claims if shape == "waits"}
        begun = any(shape in {"runs", "completed", "failed"} for _, shape in claims)
        assert len(waiting & starts) == (1 if waiting and not begun else 0)
        assert waiting - starts == waiting & ends.keys()
    free = {f"job-{number}" for number, (origin, _, _, shape) in enumerate(shapes) if not origin and shape == "waits"}
    assert free <= starts


class Twice(RuleBasedStateMachine):
    """Manifests that name one of two origins come and go; a withdrawn or deleted one leaves its origin open."""

    @initialize()
    def build(self) -> None:
        self.world = World()
        for kind, raw in ((Kind.NAMESPACE, make_namespace()), (Kind.NODE, make_node()), (Kind.JOB_QUEUE, make_queue())):
            self.world.put(kind, raw)
        self.freed: set[str] = set()
        self.count = 0

    def _some(self, pick: int) -> str:
        jobs = sorted(raw["metadata"]["uid"] for raw in self.world.of(Kind.ANALYSIS_JOB))
        return jobs[pick % len(jobs)] if jobs else ""

    @rule(origin=st.sampled_from([ORIGIN, OTHER]), age=st.integers(0, 2))
    def apply(self, origin: str, age: int) -> None:
        """Names fall as they come, so that a later one of the same second comes first."""
        self.count += 1
        self.world.put(Kind.ANALYSIS_JOB, retry(f"job-{999 - self.count}", origin, age=age))

    @rule(pick=st.integers(0, 9), delete=st.booleans())
    def withdraw(self, pick: int, delete: bool) -> None:
        uid = self._some(pick)
        if uid and delete:
            self.world.remove(Kind.ANALYSIS_JOB, uid)
        elif uid:
            self.world.change(Kind.ANALYSIS_JOB, uid, lambda raw: raw["spec"].update(cancel=True))
        self.freed.add(uid)

    @rule(keep=st.integers(0, 5))
    def turn(self, keep: int) -> None:
        """Not every action is carried out at once."""
        self.world.turn(lambda actions: actions[:keep])

    @rule(pick=st.integers(0, 1))
    def live(self, pick: int) -> None:
        live(self.world, pick)

    @rule()
    def restart(self) -> None:
        self.world.fresh_picture()

    @invariant()
    def nothing_is_done_twice(self) -> None:
        log = self.world.log
        origins = {raw["metadata"]["uid"]: raw["spec"]["retryOf"] for kind, _, raw in log if kind is Kind.ANALYSIS_JOB}
        made = Counter(origins[uid] for _, uid, _ in self.world.created if uid not in self.freed)
        assert all(count == 1 for count in made.values())

    def teardown(self) -> None:
        """Whoever waits for nothing but its turn has its Job; nobody is left in doubt."""
        for _ in range(4):
            self.world.turn()
        for raw in self.world.of(Kind.ANALYSIS_JOB):
            digest = self.world.picture.analysis_jobs[raw["metadata"]["uid"]]
            assert self.world.picture.job_of(digest) is not None or digest.status.phase.terminal, raw


TestTwice = Twice.TestCase
TestTwice.settings = settings(max_examples=40, stateful_step_count=30)


def live(world: World, pick: int) -> None:
    world.step_controller()
    for pod in world.of(Kind.POD):
        uid, phase = pod["metadata"]["uid"], pod["status"]["phase"]
        if phase == "Pending":
            world.run(uid)
        elif phase == "Running":
            world.end(uid, [0, Exit.PERMANENT][pick % 2])

"""What holds of one round of admission whatever the queues, tenants and jobs: an oracle of its own counts along."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from forge_operator.actions import CreateJob
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.picture import Picture
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

QUEUES = ("a-queue", "b-queue", "c-queue")
NAMESPACES = {"one": "acme", "two": "acme", "three": "beta", "four": "cora"}


@dataclass(frozen=True)
class Job:
    """One job of the scene."""

    name: str
    queue: str
    namespace: str
    priority: int
    age: int
    runs: bool

    @property
    def tenant(self) -> str:
        """Who owns it."""
        return NAMESPACES[self.namespace]


@dataclass(frozen=True)
class Scene:
    """Caps by queue, rates by queue (0 is none), weights and caps by tenant, and the jobs."""

    slots: dict[str, int]
    rates: dict[str, int]
    weights: dict[str, int]
    caps: dict[str, int | None]
    jobs: list[Job]

    def objects(self) -> list[tuple[Kind, Raw]]:
        """All of it as raw objects."""
        found: list[tuple[Kind, Raw]] = []
        for name, tenant in NAMESPACES.items():
            weight, cap = self.weights[tenant], self.caps[tenant]
            found.append((Kind.NAMESPACE, make_namespace(name, tenant=tenant, weight=weight, max_running=cap)))
        for queue in QUEUES:
            limit: Raw = {"rateLimit": {"max": self.rates[queue], "per": "60s"}} if self.rates[queue] else {}
            found.append((Kind.JOB_QUEUE, make_queue(queue, concurrency=self.slots[queue], **limit)))
        for job in self.jobs:
            raw = make_job(
                job.name, namespace=job.namespace, queue=job.queue, priority=job.priority, age=job.age, version=30
            )
            found.append((Kind.ANALYSIS_JOB, with_status(raw, 31, phase="Running") if job.runs else raw))
            if job.runs:
                found.append((Kind.JOB, make_child(raw, age=30)))
        return found


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Small ones, full of contention."""
    tenants = sorted(set(NAMESPACES.values()))
    drawn = st.tuples(
        st.sampled_from(QUEUES), st.sampled_from(list(NAMESPACES)), st.integers(1, 9), st.integers(3, 600),
        st.integers(0, 3),
    )  # fmt: skip
    jobs = [Job(f"job-{n:02}", *row[:4], runs=row[4] == 0) for n, row in enumerate(draw(st.lists(drawn, max_size=24)))]
    return Scene(
        {queue: draw(st.integers(0, 6)) for queue in QUEUES},
        {queue: draw(st.sampled_from([0, 0, 1, 4])) for queue in QUEUES},
        {tenant: draw(st.sampled_from([1, 1, 2, 3, 7])) for tenant in tenants},
        {tenant: draw(st.sampled_from([None, None, 0, 1, 3, 5])) for tenant in tenants},
        jobs,
    )


def starts_of(picture: Picture) -> list[str]:
    """Names of the jobs that start, in order."""
    return [picture.analysis_jobs[one.uid].name for one in decide(picture, NOW) if isinstance(one, CreateJob)]


class Tally:
    """What runs after a round."""

    def __init__(self, scene: Scene, started: list[str]) -> None:
        running = [job for job in scene.jobs if job.runs or job.name in started]
        self.scene = scene
        self.waiting = [job for job in scene.jobs if not job.runs and job.name not in started]
        self.queue = Counter(job.queue for job in running)
        self.tenant = Counter(job.tenant for job in running)
        self.share = Counter((job.queue, job.tenant) for job in running)

    def full(self, queue: str) -> bool:
        """Whether no further job of the queue may start: those that run began within the window."""
        rate = self.scene.rates[queue]
        return self.queue[queue] >= self.scene.slots[queue] or bool(rate and self.queue[queue] >= rate)

    def capped(self, tenant: str) -> bool:
        """Whether the tenant may start no further job."""
        cap = self.scene.caps[tenant]
        return cap is not None and self.tenant[tenant] >= cap


@settings(max_examples=100, deadline=None)
@given(scene=scenes(), seed=st.integers(0, 1000))
def test_a_round_keeps_caps_wastes_no_slot_and_does_not_depend_on_the_order_of_events(scene: Scene, seed: int) -> None:
    objects = scene.objects()
    started = starts_of(make_picture(objects))
    before, after = Tally(scene, []), Tally(scene, started)
    for job in scene.jobs:
        if job.name in started:
            assert after.queue[job.queue] <= scene.slots[job.queue]
            assert not scene.rates[job.queue] or after.queue[job.queue] <= scene.rates[job.queue]
            assert after.tenant[job.tenant] <= (scene.caps[job.tenant] or 10**6)
            assert not before.full(job.queue)
            assert not before.capped(job.tenant)
    for job in after.waiting:
        assert after.full(job.queue) or after.capped(job.tenant), f"{job} could have started"
    random.Random(seed).shuffle(objects)
    assert sorted(starts_of(make_picture(objects))) == sorted(started)


@settings(max_examples=100, deadline=None)
@given(scene=scenes())
def test_a_round_is_fair_within_one_job_of_the_weights_and_keeps_each_tenants_order(scene: Scene) -> None:
    started = starts_of(make_picture(scene.objects()))
    after = Tally(scene, started)
    for job in (job for job in scene.jobs if job.name in started):
        share = Fraction(after.share[job.queue, job.tenant] - 1, scene.weights[job.tenant])
        for other in after.waiting:
            if other.queue != job.queue or after.capped(other.tenant):
                continue
            assert share <= Fraction(after.share[other.queue, other.tenant], scene.weights[other.tenant])
            if other.tenant == job.tenant:
                assert _turn(job) < _turn(other), f"{job} passed {other}"


def _turn(job: Job) -> tuple[float, str]:
    return 60.0 * job.priority - job.age, job.name


@settings(max_examples=40, deadline=None)
@given(scene=scenes())
def test_what_has_started_is_not_started_again(scene: Scene) -> None:
    picture = make_picture(scene.objects())
    started = [action for action in decide(picture, NOW) if isinstance(action, CreateJob)]
    for action in started:
        picture.hold(action.uid, action.queue, action.namespace)
    assert starts_of(picture) == []


@settings(max_examples=15, deadline=None)
@given(patience=st.integers(2, 9), every=st.sampled_from([5, 10, 30]), cap=st.sampled_from([None, 1]))
def test_none_starves_while_more_urgent_jobs_never_end(patience: int, every: int, cap: int | None) -> None:
    """One job waits with priority `patience` beside an endless row of priority 1, in its own queue and in another."""
    picture = make_picture([(Kind.NAMESPACE, make_namespace(version=4, max_running=cap))])
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=6, concurrency=1))
    picture.observe(Kind.JOB_QUEUE, "ADDED", make_queue("a-before", concurrency=1))
    picture.observe(Kind.ANALYSIS_JOB, "ADDED", make_job("patient", priority=patience, age=0))
    running: list[tuple[CreateJob, int]] = []
    # Four come for each that ends, so that all which came before its age made up for its priority take so much longer.
    for second in range(0, 4 * 60 * patience + 8 * every, every):
        now = NOW + timedelta(seconds=second)
        for queue in ("analysis", "a-before"):
            for number in range(2):
                name = f"urgent-{queue}-{second:05}-{number}"
                urgent = make_job(name, queue=queue, priority=1, age=-second)
                picture.observe(Kind.ANALYSIS_JOB, "ADDED", urgent)
        for action in (one for one in decide(picture, now) if isinstance(one, CreateJob)):
            if picture.analysis_jobs[action.uid].name == "patient":
                return
            picture.hold(action.uid, action.queue, action.namespace)
            running.append((action, second))
        for action, _ in running:
            job = picture.analysis_jobs[action.uid]
            gone = make_job(job.name, queue=job.queue, version=99)
            picture.observe(Kind.ANALYSIS_JOB, "DELETED", gone)
            picture.release(action.uid)
        running.clear()
    raise AssertionError(f"priority {patience} starved")

"""The promises of admission behind a bad line: events lost, late and repeated, answers lost, operators killed.

A model of the cluster (`tests/builders/storm.py`) checks each start; the invariants here look at what it stores.
"""

import random
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forge_core.exits import Exit
from forge_core.names import MAX_RUNNING_ANNOTATION, WEIGHT_ANNOTATION
from forge_operator.actions import CreateJob
from forge_operator.decide import Decision
from forge_operator.digests import Kind
from tests.builders.operator import Raw, make_job, make_namespace, make_node, make_queue
from tests.builders.storm import FATES, Storm, phase_of

RATE: Final = 3
QUEUES: Final = ("wide", "narrow", "limited")
TENANTS: Final = {"acme-1": "acme", "acme-2": "acme", "beta": "beta", "cora": "cora"}
"""Namespace -> tenant."""
KINDS: Final = st.sampled_from([Kind.ANALYSIS_JOB, Kind.JOB, Kind.POD, Kind.JOB_QUEUE, Kind.NAMESPACE])
RANDOM: Final = st.randoms(use_true_random=False)
NOT_OVER: Final = "the jobs that were accepted are not all over"


class Promises(RuleBasedStateMachine):
    """What people, the cluster and the operator may do, in any order."""

    @initialize(weight=st.sampled_from([1, 2, 5]), jobs=st.integers(0, 8))
    def build(self, weight: int, jobs: int) -> None:
        """Three queues, three tenants (one with two namespaces), one node; some jobs wait from the beginning."""
        self.storm = Storm()
        self.count = 0
        self.ended: dict[str, str] = {}
        for namespace, tenant in TENANTS.items():
            self.storm.put(Kind.NAMESPACE, make_namespace(namespace, tenant=tenant))
        self.storm.put(Kind.NODE, make_node())
        for queue, concurrency in (("wide", 5), ("narrow", 2), ("limited", 9)):
            limit: Raw = {"rateLimit": {"max": RATE, "per": "60s"}} if queue == "limited" else {}
            self.storm.put(Kind.JOB_QUEUE, make_queue(queue, concurrency=concurrency, **limit))
            self.storm.limit("queue", queue, concurrency)
        self.cap_acme(None)
        self.weigh("beta", weight)
        self.weigh("cora", 6 - weight)
        self.storm.fresh_picture()
        for number in range(jobs):
            self.apply_jobs(1, QUEUES[number % 3], list(TENANTS)[number % 4], None)

    # --- what people do ---

    @rule(
        count=st.integers(1, 4),
        queue=st.sampled_from(QUEUES),
        namespace=st.sampled_from(list(TENANTS)),
        priority=st.sampled_from([None, None, 1, 9]),
    )
    def apply_jobs(self, count: int, queue: str, namespace: str, priority: int | None) -> None:
        """Some jobs at once."""
        for _ in range(count):
            self.count += 1
            spec = {} if priority is None else {"priority": priority}
            raw = make_job(f"job-{self.count:03}", namespace=namespace, queue=queue, **spec)
            del raw["metadata"]["creationTimestamp"]
            self.storm.put(Kind.ANALYSIS_JOB, raw)

    @rule(pick=RANDOM, delete=st.booleans())
    def withdraw(self, pick: random.Random, delete: bool) -> None:
        """By spec.cancel, or by kubectl delete."""
        job = self._some(Kind.ANALYSIS_JOB, pick)
        if job is not None and delete:
            self.storm.remove(Kind.ANALYSIS_JOB, job["metadata"]["uid"])
        elif job is not None:
            self.storm.change(Kind.ANALYSIS_JOB, job["metadata"]["uid"], lambda raw: raw["spec"].update(cancel=True))

    @rule(pick=RANDOM, priority=st.integers(1, 9))
    def hurry(self, pick: random.Random, priority: int) -> None:
        """A job's priority is changed."""
        job = self._some(Kind.ANALYSIS_JOB, pick)
        if job is not None:
            uid = job["metadata"]["uid"]
            self.storm.change(Kind.ANALYSIS_JOB, uid, lambda raw: raw["spec"].update(priority=priority))

    @rule(queue=st.sampled_from(QUEUES), concurrency=st.integers(0, 6), paused=st.sampled_from([False, False, True]))
    def edit_queue(self, queue: str, concurrency: int, paused: bool) -> None:
        """`kubectl edit jq`."""
        spec = {"concurrency": concurrency, "paused": paused}
        self.storm.change(Kind.JOB_QUEUE, f"uid-queue-{queue}", lambda raw: raw["spec"].update(spec))
        self.storm.limit("queue", queue, 0 if paused else concurrency)

    @rule(cap=st.sampled_from([None, 0, 1, 3]))
    def cap_acme(self, cap: int | None) -> None:
        """The tenant of two namespaces gets a cap, or has it taken away."""
        self._annotate("acme-1", MAX_RUNNING_ANNOTATION, cap)
        self._annotate("acme-2", MAX_RUNNING_ANNOTATION, cap)
        self.storm.limit("tenant", "acme", float("inf") if cap is None else cap)

    @rule(namespace=st.sampled_from(["beta", "cora"]), weight=st.sampled_from([1, 2, 5, 1000]))
    def weigh(self, namespace: str, weight: int) -> None:
        """A tenant's weight is changed."""
        self._annotate(namespace, WEIGHT_ANNOTATION, weight)

    def _annotate(self, namespace: str, key: str, value: int | None) -> None:
        def change(raw: Raw) -> None:
            raw["metadata"]["annotations"].pop(key, None)
            if value is not None:
                raw["metadata"]["annotations"][key] = str(value)

        self.storm.change(Kind.NAMESPACE, f"uid-ns-{namespace}", change)

    # --- what the cluster does ---

    @rule(seconds=st.sampled_from([0.4, 1, 7, 40]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.storm.wait(seconds)

    @rule(times=st.integers(1, 3), pick=RANDOM)
    def work(self, times: int, pick: random.Random) -> None:
        """The Job controller and the kubelets do what they would."""
        for _ in range(times):
            self.storm.step_controller()
            for pod in self.storm.of(Kind.POD):
                if pod["status"]["phase"] == "Pending" and pick.random() < 0.7:
                    self.storm.run(pod["metadata"]["uid"])
                elif pod["status"]["phase"] == "Running" and pick.random() < 0.4:
                    self.storm.end(pod["metadata"]["uid"], pick.choice([0, 0, 0, 137, Exit.PERMANENT]))
            self.storm.wait(1)

    # --- what the line does ---

    @rule(what=st.sampled_from(["deliver", "lose", "begin a list", "end a list"]), kind=KINDS, count=st.integers(1, 5))
    def line(self, what: str, kind: Kind, count: int) -> None:
        """Events arrive or never do; a relist reads what is there, and works it in later."""
        if what == "deliver":
            self.storm.deliver(kind, count)
        elif what == "lose":
            self.storm.lose(kind, count)
        elif what == "begin a list":
            self.storm.begin_list(kind)
        else:
            self.storm.end_list(kind)

    @rule(pick=RANDOM)
    def repeat(self, pick: random.Random) -> None:
        """Old events come again, in any order."""
        events = self.storm.log[-80:]
        for kind, event, raw in pick.sample(events, min(len(events), 30)):
            self.storm.picture.observe(kind, event, raw)

    # --- what the operator does and suffers ---

    @rule(pick=RANDOM)
    def turn(self, pick: random.Random) -> None:
        """It decides; each write is answered, goes unanswered, is late, or was never sent."""
        made = self.storm.decide()
        self._is_fair(made)
        assert [action.key for action in made.actions if isinstance(action, CreateJob)] == [
            action.key for action in self.storm.decide().actions if isinstance(action, CreateJob)
        ], "asked twice it starts the same"
        self.storm.carry_out(made.actions, lambda: pick.choice(FATES))

    @rule(what=st.sampled_from(["late writes", "lost answers", "records"]))
    def catch_up(self, what: str) -> None:
        """Writes arrive that were sent some time ago, lost answers are asked for again, the recorder writes."""
        if what == "late writes":
            self.storm.carry_out_late()
        elif what == "lost answers":
            self.storm.ask_again()
        else:
            self.storm.record()

    @rule(pick=RANDOM, history=st.booleans())
    def kill(self, pick: random.Random, history: bool) -> None:
        """Another operator begins; PostgreSQL may be away."""
        self.storm.kill(pick, history_known=history)

    @precondition(lambda self: self.count)
    @rule()
    def calm_for_a_moment(self) -> None:
        """When all is heard and done no slot is empty while a job waits that could have it."""
        self.storm.calm()
        for _ in range(6):
            made = self.storm.decide()
            self.storm.carry_out(made.actions)
            self.storm.calm()
        self._no_slot_is_empty()

    @rule(pick=RANDOM, rounds=st.integers(4, 10), calm=st.booleans())
    def a_while(self, pick: random.Random, rounds: int, calm: bool) -> None:
        """Life goes on: jobs come, the cluster works, the line is bad, the operator turns."""
        for _ in range(rounds):
            self._gust(pick)
        if calm:
            self.calm_for_a_moment()

    @rule(
        pick=RANDOM,
        rounds=st.integers(6, 14),
        queue=st.sampled_from(QUEUES),
        slots=st.integers(1, 6),
        cap=st.sampled_from([None, None, 1, 3]),
    )
    def a_rush(self, pick: random.Random, rounds: int, queue: str, slots: int, cap: int | None) -> None:
        """The same with every tenant's jobs in one queue, and then a calm."""
        self.edit_queue(queue, slots, paused=False)
        self.cap_acme(cap)
        for namespace in TENANTS:
            self.apply_jobs(pick.randint(1, 3), queue, namespace, pick.choice([None, 1, 9]))
        if pick.random() < 0.7:  # they meet in one decision
            for kind in Kind:
                self.storm.deliver(kind)
        for _ in range(rounds):
            self._gust(pick)
        self.calm_for_a_moment()

    @rule(pick=RANDOM, rounds=st.integers(8, 20))
    def a_long_while(self, pick: random.Random, rounds: int) -> None:
        """Hypothesis takes each rule as often as any other: most of what happens happens here."""
        for _ in range(rounds):
            if pick.random() < 0.3:
                self.apply_jobs(pick.randint(1, 2), pick.choice(QUEUES), pick.choice(list(TENANTS)), None)
            self._gust(pick)

    def _gust(self, pick: random.Random) -> None:
        for kind in Kind:
            if pick.random() < 0.7:
                self.storm.deliver(kind, pick.randint(0, 6))
        if pick.random() < 0.2:
            self.storm.lose(pick.choice(list(Kind)), pick.randint(1, 3))
        if pick.random() < 0.2:
            self.repeat(pick)
        if pick.random() < 0.3:
            kind = pick.choice(list(Kind))
            (self.storm.end_list if kind in self.storm.lists else self.storm.begin_list)(kind)
        if pick.random() < 0.2:
            self.catch_up(pick.choice(["late writes", "lost answers", "records"]))
        self.turn(pick)
        if pick.random() < 0.5:
            self.work(1, pick)

    # --- what must hold ---

    def _is_fair(self, made: Decision) -> None:
        """Within one job of the weights: nobody starts while another who could has a smaller share."""
        picture = self.storm.picture
        for admission in made.rounds:
            starts = Counter(picture.tenant_of(job.namespace) for job in admission.admitted)
            left = {
                picture.tenant_of(job.namespace) for job, refused in admission.refusals() if refused.reach == "queue"
            }
            for tenant in starts:
                before = Fraction(admission.turn.running[tenant] - 1, picture.tenants.of(tenant).weight)
                for other in left - {tenant}:
                    if admission.turn.allowances.get(other, 1) > 0:
                        share = Fraction(admission.turn.running.get(other, 0), picture.tenants.of(other).weight)
                        assert before <= share, f"{tenant} started at {before} while {other} had {share}"

    def _no_slot_is_empty(self) -> None:
        open_jobs = self.storm.open_jobs()
        in_queue = Counter(job["spec"]["queue"] for job in open_jobs)
        of_tenant = Counter(TENANTS[job["metadata"]["namespace"]] for job in open_jobs)
        cap = self.storm.limits["tenant", "acme"][-1:]
        busy = {job["metadata"]["uid"] for job in open_jobs}
        for job in self.storm.of(Kind.ANALYSIS_JOB):
            queue, tenant = job["spec"]["queue"], TENANTS[job["metadata"]["namespace"]]
            if phase_of(job).terminal or job["metadata"]["uid"] in busy or self._rate_holds(queue):
                continue
            full = in_queue[queue] >= self.storm.limits["queue", queue][-1][1]
            capped = tenant == "acme" and bool(cap) and of_tenant[tenant] >= cap[0][1]
            assert full or capped, f"{job['metadata']['name']} waits while queue {queue} has room"

    def _rate_holds(self, queue: str) -> bool:
        if queue != "limited":
            return False
        window = self.storm.now - timedelta(seconds=61)
        recent = sum(1 for name, _, at in self.storm.created if name == queue and at > window)
        blind = not self.storm.picture.history_known and self.storm.now < self.storm.picture.began + timedelta(
            seconds=61
        )
        return recent >= RATE or blind

    @invariant()
    def no_window_of_the_rate_sees_too_many_starts(self) -> None:
        """In any 60 s, across restarts."""
        starts = sorted(at for queue, _, at in self.storm.created if queue == "limited")
        for first, later in zip(starts, starts[RATE:], strict=False):
            assert later - first > timedelta(seconds=60), f"{RATE + 1} starts within {later - first}"

    @invariant()
    def no_job_has_two_jobs(self) -> None:
        """At most one Job object an AnalysisJob, ever."""
        made = Counter(uid for _, uid, _ in self.storm.created)
        assert all(times == 1 for times in made.values()), made

    @invariant()
    def what_is_over_stays_over_and_nothing_of_it_lives(self) -> None:
        """First terminal write wins, and it is made when no pod is left."""
        for job in self.storm.of(Kind.ANALYSIS_JOB):
            if phase_of(job).terminal:
                uid = job["metadata"]["uid"]
                assert self.ended.setdefault(uid, phase_of(job)) == phase_of(job)
        for job in self.storm.of(Kind.JOB):
            if job["metadata"]["ownerReferences"][0]["uid"] in self.ended:
                assert not {pod["status"]["phase"] for pod in self.storm.pods_of(job)} & {"Pending", "Running"}

    def teardown(self) -> None:
        """When the storm is over every job that is there ends: none was lost, and none starves."""
        if not hasattr(self, "storm"):
            return
        for queue in QUEUES:
            self.edit_queue(queue, 20, paused=False)
        self.storm.change(Kind.JOB_QUEUE, "uid-queue-limited", lambda raw: raw["spec"].pop("rateLimit"))
        self.cap_acme(6)
        for number in range(12 * (self.count + 4)):
            if number % 4 == 0:
                self.storm.calm()
            if all(phase_of(job).terminal for job in self.storm.of(Kind.ANALYSIS_JOB)):
                return
            self.storm.step_controller()
            for pod in self.storm.of(Kind.POD):
                if pod["status"]["phase"] == "Pending":
                    self.storm.run(pod["metadata"]["uid"])
                elif pod["status"]["phase"] == "Running":
                    self.storm.end(pod["metadata"]["uid"], 0)
            self.storm.step_controller()
            for kind in Kind:
                self.storm.deliver(kind)
            self.storm.carry_out(self.storm.decide().actions)
            self.storm.wait(10)
        raise AssertionError(NOT_OVER)

    def _some(self, kind: Kind, pick: random.Random) -> Raw | None:
        found = sorted(self.storm.of(kind), key=lambda raw: str(raw["metadata"]["name"]))
        return pick.choice(found) if found else None


TestPromises = Promises.TestCase
TestPromises.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

"""What holds of `decide` whatever happens: a cluster in memory does anything, in any order, and the caps hold."""

import random
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from forge_core.exits import Exit
from forge_core.phase import Phase
from forge_operator.actions import Action, CreateJob, PatchStatus
from forge_operator.admission.admitting import admissions
from forge_operator.admission.gates import first_refusal
from forge_operator.attention import Attention
from forge_operator.decide import decide, decision
from forge_operator.digests import Kind
from forge_operator.known import Report
from forge_operator.notices import WRITES_A_SECOND, YOUNG
from forge_operator.picture import Picture
from forge_operator.reasons import ConditionType
from forge_operator.statuses import waits
from tests.builders.operator import Raw, condition, make_event, make_job, make_namespace, make_node, make_queue
from tests.builders.world import World

CONCURRENCY = {"narrow": 2, "limited": 4}
RATE = 3
RANDOM = st.randoms(use_true_random=False)
NAMESPACES = ("tenant-a", "tenant-b")


def _key(action: Action) -> str:
    return action.key


class Weather(RuleBasedStateMachine):
    """Anything may happen at any time; see the invariants."""

    @initialize(waiting=st.integers(0, 6))
    def build(self, waiting: int) -> None:
        """Two queues, two tenants, one node; some jobs wait from the beginning."""
        self.world = World()
        self.count = 0
        self.ended: dict[str, str] = {}
        for namespace in NAMESPACES:
            self.world.put(Kind.NAMESPACE, make_namespace(namespace))
        self.world.put(Kind.NODE, make_node())
        keeps = {"completed": {"age": "60s", "count": 2}, "failed": {"age": "2m", "count": 1}}
        self.world.put(Kind.JOB_QUEUE, make_queue("narrow", concurrency=CONCURRENCY["narrow"], retention=keeps))
        limit = {"max": RATE, "per": "60s"}
        self.world.put(Kind.JOB_QUEUE, make_queue("limited", concurrency=CONCURRENCY["limited"], rateLimit=limit))
        for number in range(waiting):
            self._apply("limited" if number % 2 else "narrow", NAMESPACES[number % 2], None)

    def _apply(self, queue: str, namespace: str, priority: int | None) -> str:
        self.count += 1
        spec = {} if priority is None else {"priority": priority}
        raw = make_job(f"job-{self.count:03}", namespace=namespace, queue=queue, **spec)
        del raw["metadata"]["creationTimestamp"]
        uid: str = self.world.put(Kind.ANALYSIS_JOB, raw)["metadata"]["uid"]
        return uid

    def _some_job(self, pick: random.Random) -> str | None:
        jobs = sorted(job["metadata"]["uid"] for job in self.world.of(Kind.ANALYSIS_JOB))
        return pick.choice(jobs) if jobs else None

    # --- what people do ---

    @rule(
        count=st.integers(1, 4),
        queue=st.sampled_from(["narrow", "limited", "narrow", "limited", "gone"]),
        namespace=st.sampled_from(NAMESPACES),
        priority=st.sampled_from([None, None, 0, 1, 9]),
    )
    def apply_jobs(self, count: int, queue: str, namespace: str, priority: int | None) -> None:
        """0 is a priority that slipped through the schema."""
        for _ in range(count):
            self._apply(queue, namespace, priority)

    @rule(pick=RANDOM, delete=st.booleans())
    def withdraw(self, pick: random.Random, delete: bool) -> None:
        """By spec.cancel, or by kubectl delete aj; then the garbage collector follows at once."""
        uid = self._some_job(pick)
        if uid is not None and delete:
            self.world.remove(Kind.ANALYSIS_JOB, uid)
        elif uid is not None:
            self.world.change(Kind.ANALYSIS_JOB, uid, lambda raw: raw["spec"].update(cancel=True))

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        """A queue is paused or resumed."""
        self.world.change(Kind.JOB_QUEUE, "uid-queue-narrow", lambda raw: raw["spec"].update(paused=paused))

    # --- what the cluster does ---

    @rule(seconds=st.sampled_from([0.3, 1, 5, 40]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.world.wait(seconds)

    @rule()
    def step_controller(self) -> None:
        """The Job controller catches up."""
        self.world.step_controller()

    @rule(pick=RANDOM, code=st.sampled_from([0, 0, 137, *Exit]))
    def step_a_pod(self, pick: random.Random, code: int) -> None:
        """A pod starts, or ends with a code."""
        pods = [pod for pod in self.world.of(Kind.POD) if pod["status"]["phase"] in {"Pending", "Running"}]
        if not pods:
            return
        pod = pick.choice(pods)
        if pod["status"]["phase"] == "Pending":
            self.world.run(pod["metadata"]["uid"])
        else:
            self.world.end(pod["metadata"]["uid"], code)

    @rule()
    def let_it_run(self) -> None:
        """Everything goes on as it should for a while."""
        for _ in range(2):
            self.world.turn()
            self.world.step_controller()
            for pod in self.world.of(Kind.POD):
                if pod["status"]["phase"] == "Pending":
                    self.world.run(pod["metadata"]["uid"])
            self.world.wait(3)

    @rule(pick=RANDOM)
    def disrupt_a_pod(self, pick: random.Random) -> None:
        """The cluster takes a pod away."""
        pods = [pod for pod in self.world.of(Kind.POD) if pod["status"]["phase"] == "Running"]
        if pods:
            uid = pick.choice(pods)["metadata"]["uid"]
            target = condition("DisruptionTarget", "EvictionByEvictionAPI")
            self.world.change(Kind.POD, uid, lambda raw: raw["status"].update(phase="Failed", conditions=[target]))

    @rule(pick=RANDOM)
    def exceed_a_deadline(self, pick: random.Random) -> None:
        """A Job is decided to fail while its pod still runs."""
        open_jobs = [job for job in self.world.of(Kind.JOB) if not job.get("status", {}).get("conditions")]
        if open_jobs:
            self.world.exceed_deadline(pick.choice(open_jobs)["metadata"]["uid"])

    @rule(percent=st.integers(0, 100), attempt=st.integers(0, 3), pick=RANDOM)
    def report(self, percent: int, attempt: int, pick: random.Random) -> None:
        """Progress comes through Redis."""
        uid = self._some_job(pick)
        if uid is not None:
            self.world.picture.report(uid, Report(percent, "analysing", attempt))

    # --- what the operator does and suffers ---

    @rule()
    def turn(self) -> None:
        """It decides, and all is carried out."""
        self.world.turn()

    @rule(pick=RANDOM)
    def turn_in_part(self, pick: random.Random) -> None:
        """It decides, and dies or fails after some of it, in any order."""

        def some(actions: list[Action]) -> list[Action]:
            return pick.sample(actions, pick.randint(0, len(actions)))

        self.world.turn(some)

    @rule()
    def turn_late(self) -> None:
        """What was decided is carried out after a while, whatever has become of the picture."""
        made = decision(self.world.picture, self.world.now)
        self.world.picture.attention.take(made.looks)
        self.world.step_controller()
        for action in made.actions:
            self.world.apply(action)

    @rule()
    def record(self) -> None:
        """The recorder writes what it has heard."""
        self.world.record()

    @rule(pick=RANDOM)
    def refuse_a_creation(self, pick: random.Random) -> None:
        """The API server refuses a job's Job, by a quota say."""
        uid = self._some_job(pick)
        if uid is not None and uid in self.world.picture.analysis_jobs:
            self.world.picture.refused(uid, "exceeded quota", self.world.now)

    @rule(pick=RANDOM)
    def refuse_a_pod(self, pick: random.Random) -> None:
        """The Job controller can't create a pod."""
        found = self.world.of(Kind.JOB)
        if found:
            event = make_event(pick.choice(found), "exceeded quota")
            self.world.picture.observe(Kind.EVENT, "ADDED", event)

    @rule(history=st.booleans())
    def restart(self, history: bool) -> None:
        """A new operator lists everything, and reads the history unless PostgreSQL is away."""
        self.world.fresh_picture(history_known=history)

    @rule(pick=RANDOM)
    def hear_old_events_again(self, pick: random.Random) -> None:
        """Watches repeat and reorder."""
        events = self.world.log[-60:]
        for kind, event, raw in pick.sample(events, len(events)):
            self.world.picture.observe(kind, event, raw)

    # --- what must hold ---

    @invariant()
    def no_queue_exceeds_its_concurrency(self) -> None:
        """Jobs that are not over, and orphans that are, hold a slot."""
        busy: Counter[str] = Counter()
        for job in self.world.of(Kind.JOB):
            owner = self.world.stored.get((Kind.ANALYSIS_JOB, job["metadata"]["ownerReferences"][0]["uid"]))
            if owner is not None and not _phase(owner).terminal:
                busy[owner["spec"]["queue"]] += 1
        for queue, used in busy.items():
            assert used <= CONCURRENCY[queue], f"{used} jobs in queue {queue}"

    @invariant()
    def no_window_of_the_rate_sees_too_many_starts(self) -> None:
        """In any 60 s."""
        starts = sorted(at for queue, _, at in self.world.created if queue == "limited")
        for first, later in zip(starts, starts[RATE:], strict=False):
            assert later - first > timedelta(seconds=60), f"{RATE + 1} starts within {later - first}"

    @invariant()
    def no_job_has_two_jobs(self) -> None:
        """At most one Job object an AnalysisJob, ever."""
        made = Counter(uid for _, uid, _ in self.world.created)
        assert all(times == 1 for times in made.values()), made

    @invariant()
    def a_terminal_phase_never_leaves(self) -> None:
        """First terminal write wins."""
        for job in self.world.of(Kind.ANALYSIS_JOB):
            uid, phase = job["metadata"]["uid"], _phase(job)
            if phase.terminal:
                assert self.ended.setdefault(uid, phase) == phase

    @invariant()
    def a_terminal_job_has_no_live_pod(self) -> None:
        """The phase turns only when nothing lives."""
        for job in self.world.of(Kind.JOB):
            owner = self.world.stored.get((Kind.ANALYSIS_JOB, job["metadata"]["ownerReferences"][0]["uid"]))
            if owner is not None and _phase(owner).terminal:
                phases = {pod["status"]["phase"] for pod in self.world.pods_of(job)}
                assert not phases & {"Pending", "Running"}

    @invariant()
    def a_free_slot_is_used_and_asking_twice_gives_the_same_answer(self) -> None:
        """Work-conserving: in a queue without a rate nobody waits while there is room."""
        picture = self.world.picture
        actions = decide(picture, self.world.now)
        assert actions == decide(picture, self.world.now)
        if self.world.stored[Kind.JOB_QUEUE, "uid-queue-narrow"]["spec"].get("paused"):
            return
        turns = [turn for turns in picture.places.waiting("narrow").values() for turn in turns]
        held = {uid for uid, refusal in picture.refusals.items() if refusal.until > self.world.now}
        waiting = {uid for _, _, uid in turns} - held
        begun = sum(1 for action in actions if isinstance(action, CreateJob) and action.uid in waiting)
        assert begun == min(len(waiting), max(CONCURRENCY["narrow"] - picture.slots_used("narrow"), 0))

    @invariant()
    def what_rests_needs_nothing(self) -> None:
        """A decision over the jobs that are awake is the decision over all of them."""
        picture = self.world.picture
        now_and_later = (self.world.now, self.world.now + timedelta(hours=2))
        decided = [sorted(decide(picture, now), key=_key) for now in now_and_later]
        kept, picture.attention = picture.attention, Attention(picture.places.admitted())
        everything = [sorted(decide(picture, now), key=_key) for now in now_and_later]
        assert decided == everything
        picture.attention = kept

    @invariant()
    def each_waiting_job_is_told_what_holds_it(self) -> None:
        """All of one kin are answered at once, with the answer that each would get for itself."""
        picture, now = self.world.picture, self.world.now
        actions = decide(picture, now)
        told = {action.uid: action for action in actions if isinstance(action, PatchStatus) and action.spare}
        starting = {action.uid for action in actions if isinstance(action, PatchStatus | CreateJob)} - told.keys()
        for round_ in admissions(picture, now):
            for turns in picture.places.waiting(round_.turn.queue).values():
                for job in (picture.analysis_jobs[uid] for _, _, uid in turns if uid not in starting):
                    refusal, said = first_refusal(round_.turn, job), job.status.condition(ConditionType.ADMITTED)
                    new = refusal is not None and (said is None or said.holds or said.reason != refusal.reason)
                    old_enough = job.created is not None and now - job.created >= YOUNG
                    wished = waits(job, refusal.reason, refusal.message, now) if refusal and new else None
                    budget = WRITES_A_SECOND - sum(1 for at in picture.notices if at > now - timedelta(seconds=1))
                    assert told.get(job.uid) == (wished if old_enough else None) or len(told) == budget

    @rule(seed=st.integers(0, 1000))
    def the_order_of_observation_does_not_matter(self, seed: int) -> None:
        """Pictures made of the objects in any order decide the same."""
        objects = [(kind, raw) for (kind, _), raw in self.world.stored.items()]
        wanted = sorted(decide(_picture(self.world, objects), self.world.now), key=_key)
        random.Random(seed).shuffle(objects)
        assert sorted(decide(_picture(self.world, objects), self.world.now), key=_key) == wanted

    def teardown(self) -> None:
        """When the weather clears, everything ends: each job is over, or waits for a queue that isn't there."""
        if not hasattr(self, "world"):
            return
        self.world.change(Kind.JOB_QUEUE, "uid-queue-narrow", lambda raw: raw["spec"].update(paused=False))
        self.world.change(Kind.JOB_QUEUE, "uid-queue-limited", lambda raw: raw["spec"].pop("rateLimit"))
        for _ in range(20 * (self.count + 2)):
            self.world.step_controller()
            for pod in self.world.of(Kind.POD):
                if pod["status"]["phase"] == "Pending":
                    self.world.run(pod["metadata"]["uid"])
                elif pod["status"]["phase"] == "Running":
                    self.world.end(pod["metadata"]["uid"], 0)
            self.world.step_controller()
            self.world.turn()
            self.world.wait(10)
            self.world.record()
            if all(_phase(job).terminal or job["spec"]["queue"] == "gone" for job in self.world.of(Kind.ANALYSIS_JOB)):
                break
        else:
            raise AssertionError([job for job in self.world.of(Kind.ANALYSIS_JOB) if not _phase(job).terminal])
        self.world.wait(5)
        self.world.record()
        self.world.settle()
        assert decide(self.world.picture, self.world.now) == [], "what is done is not decided again"


def _picture(world: World, objects: list[tuple[Kind, Raw]]) -> Picture:
    picture = Picture(world.now - timedelta(hours=1))
    picture.history_known = True
    for kind, raw in objects:
        picture.observe(kind, None, raw)
    for kind in Kind:
        picture.relisted(kind, {uid for stored, uid in world.stored if stored is kind}, world.version)
    return picture


def _phase(job: Raw) -> Phase:
    return Phase(job.get("status", {}).get("phase", "Queued"))


TestWeather = Weather.TestCase
TestWeather.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

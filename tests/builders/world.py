"""A cluster in memory: it stores raw objects with versions, carries out actions as the API server would, and steps
its Job controller and kubelets when told. What the real schema refuses, it refuses too.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forge_core.durations import parse_timestamp, timestamp
from forge_core.phase import Phase
from forge_operator.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeletePod,
    ExtendDeadline,
    FailPod,
    NoteBreaches,
    PatchStatus,
    RecordPodEnds,
    RestartPod,
    RetireAnalysisJob,
    SuspendJob,
)
from forge_operator.decide import decide, decision
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from tests.builders.operator import NOW, Raw, condition, make_pod

_NESTED = (dict, list)


class World:
    """The cluster; the operator's picture hears of each event at once. What is stored is never changed in place."""

    def __init__(self) -> None:
        self.now = NOW
        self.version = 100
        self.stored: dict[tuple[Kind, str], Raw] = {}
        self.created: list[tuple[str, str, datetime]] = []
        """(queue, UID of the AnalysisJob, when) of every Job ever made."""
        self.log: list[tuple[Kind, str, Raw]] = []
        self.refunds: set[str] = set()
        self.breaches: list[str] = []
        self.recorded: dict[str, Phase] = {}
        """What the history holds of ended jobs."""
        self.picture = self.fresh_picture()

    # --- objects ---

    def put(self, kind: Kind, raw: Raw) -> Raw:
        """Store an object under a new version and tell the operator."""
        self.version += 1
        raw = copied(raw)
        raw["metadata"]["resourceVersion"] = str(self.version)
        raw["metadata"].setdefault("creationTimestamp", timestamp(self.now))
        event = "MODIFIED" if (kind, raw["metadata"]["uid"]) in self.stored else "ADDED"
        self.stored[kind, raw["metadata"]["uid"]] = raw
        self._tell(kind, event, raw)
        return raw

    def remove(self, kind: Kind, uid: str) -> None:
        """Delete an object and all that it owns."""
        raw = self.stored.pop((kind, uid), None)
        if raw is None:
            return
        self.version += 1
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.version)}}
        self._tell(kind, "DELETED", raw)
        owned = [key for key, other in self.stored.items() if uid in _owners(other)]
        for key in owned:
            self.remove(*key)

    def change(self, kind: Kind, uid: str, change: Callable[[Raw], None]) -> None:
        """Change a stored object."""
        raw = copied(self.stored[kind, uid])
        change(raw)
        self.put(kind, raw)

    def of(self, kind: Kind) -> list[Raw]:
        """All objects of a kind."""
        return [raw for (stored, _), raw in self.stored.items() if stored is kind]

    def _tell(self, kind: Kind, event: str, raw: Raw) -> None:
        self.log.append((kind, event, raw))
        self.picture.observe(kind, event, raw)

    # --- the operator ---

    def fresh_picture(self, *, history_known: bool = True) -> Picture:
        """The operator begins anew: it lists everything, and reads the recent starts from the history."""
        self.picture = Picture(self.now)
        for (kind, _), raw in self.stored.items():
            self.picture.observe(kind, None, raw)
        for kind in Kind:
            self.picture.relisted(kind, {uid for stored, uid in self.stored if stored is kind}, self.version)
        if history_known:
            for queue, uid, at in self.created:
                self.picture.remember_starts(queue, [(uid, at)])
        self.picture.history_known = history_known
        return self.picture

    def turn(self, take: Callable[[list[Action]], list[Action]] = list) -> list[Action]:
        """Decide once and carry out what `take` leaves of it."""
        made = decision(self.picture, self.now)
        self.picture.attention.take(made.looks)
        for action in take(made.actions):
            self.apply(action)
        return made.actions

    def settle(self, turns: int = 60) -> None:
        """Turn until nothing is left to do."""
        for _ in range(turns):
            if not self.turn():
                return
        raise AssertionError(f"still deciding after {turns} turns: {decide(self.picture, self.now)[:3]}")

    def apply(self, action: Action) -> None:
        """Carry out one action as the API server would."""
        match action:
            case CreateJob():
                self._create(action)
            case PatchStatus():
                self._patch(action)
            case SuspendJob():
                self._if_there(Kind.JOB, action.uid, lambda raw: raw["spec"].update(suspend=True))
            case ExtendDeadline():
                self._if_there(
                    Kind.JOB, action.uid, lambda raw: raw["spec"].update(activeDeadlineSeconds=action.seconds)
                )
            case DeleteJob():
                self.remove(Kind.JOB, action.uid)
            case FailPod():
                self._if_there(
                    Kind.POD, action.uid, lambda raw: raw["status"].update(phase="Failed", reason=action.reason)
                )
            case DeletePod() | RestartPod():
                self.remove(Kind.POD, action.uid)
            case RecordPodEnds() | NoteBreaches():
                self._tell_history(action)
            case RetireAnalysisJob():
                self._retire(action)

    def _tell_history(self, action: RecordPodEnds | NoteBreaches) -> None:
        if isinstance(action, NoteBreaches):
            self.breaches += [clock.uid for clock in action.clocks]
            self.picture.clocks.told(clock.uid for clock in action.clocks)
            return
        for end in action.ends:
            if end.refund:
                self.refunds.add(end.pod_uid)
            self.picture.pods.told(end.pod_uid, ended=end.ended_at is not None)

    def record(self) -> None:
        """The recorder catches up: the history holds every end, and the picture hears so."""
        for raw in self.of(Kind.ANALYSIS_JOB):
            phase = Phase(raw.get("status", {}).get("phase", "Queued"))
            if phase.terminal:
                self.recorded[raw["metadata"]["uid"]] = phase
                self.picture.recorded([raw["metadata"]["uid"]])

    def _retire(self, action: RetireAnalysisJob) -> None:
        self.picture.retired(self.now)
        held = self.stored.get((Kind.ANALYSIS_JOB, action.uid))
        if held is not None and int(held["metadata"]["resourceVersion"]) == action.version:
            assert self.recorded.get(action.uid) == Phase(held["status"]["phase"]), "its end is recorded"
            self.remove(Kind.ANALYSIS_JOB, action.uid)

    def _if_there(self, kind: Kind, uid: str, change: Callable[[Raw], None]) -> None:
        if (kind, uid) in self.stored:
            self.change(kind, uid, change)

    def _create(self, action: CreateJob) -> None:
        self.picture.hold(action.uid, action.queue, action.namespace)
        body = copied(action.body)
        uid = f"job-{body['metadata']['name']}"
        if (Kind.ANALYSIS_JOB, action.uid) in self.stored and (Kind.JOB, uid) not in self.stored:
            body["metadata"]["uid"] = f"job-{body['metadata']['name']}"
            body["status"] = {}
            self.created.append((action.queue, action.uid, self.now.replace(microsecond=0)))
            self.put(Kind.JOB, body)
        self.picture.release(action.uid)

    def _patch(self, action: PatchStatus) -> None:
        key = (Kind.ANALYSIS_JOB, action.uid)
        if key not in self.stored or int(self.stored[key]["metadata"]["resourceVersion"]) != action.version:
            return
        if action.spare:
            self.picture.noticed(action.uid, self.now)
        raw = copied(self.stored[key])
        before = Phase(raw.get("status", {}).get("phase", "Queued"))
        status = {**raw.get("status", {}), **action.status}
        raw["status"] = {name: value for name, value in status.items() if value is not None}
        after = Phase(raw["status"]["phase"])
        assert not before.terminal or after is before, f"{before} became {after}"
        assert before is not Phase.CANCELLING or after in {Phase.CANCELLING, Phase.CANCELLED}, f"Cancelling -> {after}"
        self.put(Kind.ANALYSIS_JOB, raw)

    # --- the Job controller and the kubelets ---

    def pods_of(self, job: Raw) -> list[Raw]:
        """The pods of a Job."""
        uid = job["metadata"]["uid"]
        return [pod for pod in self.of(Kind.POD) if pod["metadata"]["ownerReferences"][0]["uid"] == uid]

    def step_controller(self) -> None:
        """Each Job gets the pod, the counts and the conditions that it should have."""
        for job in self.of(Kind.JOB):
            self._step(job)

    def _step(self, job: Raw) -> None:
        pods = self.pods_of(job)
        live = [pod for pod in pods if pod["status"]["phase"] in {"Pending", "Running"}]
        failed = [pod for pod in pods if pod["status"]["phase"] == "Failed"]
        done = any(pod["status"]["phase"] == "Succeeded" for pod in pods)
        spec, status = job["spec"], copied(job.get("status", {}))
        conditions = status.setdefault("conditions", [])
        over = any(one["type"] in {"Complete", "Failed"} for one in conditions)
        if spec.get("suspend") and not over:
            for pod in live:
                self.remove(Kind.POD, pod["metadata"]["uid"])
            live = []
            _say(conditions, condition("Suspended", "JobSuspended"))
        elif any(one["type"] == "FailureTarget" for one in conditions) and not over:
            for pod in live:
                self.remove(Kind.POD, pod["metadata"]["uid"])
            live = []
            _say(conditions, condition("Failed", "DeadlineExceeded"))
        elif done and not over:
            _say(conditions, condition("Complete", "CompletionsReached"))
        elif len(failed) > spec["backoffLimit"] and not over:
            _say(conditions, condition("Failed", "BackoffLimitExceeded"))
        elif not over and not live:
            self._new_pod(job, len(pods) + 1)
            live = [{}]
        status |= {"active": len(live), "failed": len(failed), "startTime": timestamp(self.now)}
        if status != job.get("status"):
            self.change(Kind.JOB, job["metadata"]["uid"], lambda raw: raw.update(status=status))

    def exceed_deadline(self, job_uid: str) -> None:
        """The Job controller decides that the Job failed; its pods end only at the next step."""

        def change(raw: Raw) -> None:
            _say(raw["status"].setdefault("conditions", []), condition("FailureTarget", "DeadlineExceeded"))

        self.change(Kind.JOB, job_uid, change)

    def _new_pod(self, job: Raw, number: int) -> None:
        pod = make_pod(job, f"{job['metadata']['name']}-{number}-{self.version}", phase="Pending")
        pod["metadata"]["creationTimestamp"] = timestamp(self.now)
        self.put(Kind.POD, pod)

    def run(self, pod_uid: str) -> None:
        """A pending pod's runner starts."""

        def change(raw: Raw) -> None:
            raw["status"]["phase"] = "Running"
            raw["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": timestamp(self.now)}}

        self.change(Kind.POD, pod_uid, change)

    def end(self, pod_uid: str, code: int) -> None:
        """A running pod's runner ends."""

        def change(raw: Raw) -> None:
            began = _started(raw)
            raw["status"]["phase"] = "Failed" if code else "Succeeded"
            state = {"exitCode": code, "startedAt": began, "finishedAt": timestamp(self.now)}
            raw["status"]["containerStatuses"][0]["state"] = {"terminated": state}

        self.change(Kind.POD, pod_uid, change)

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)


def copied(raw: Any) -> Any:
    """A copy of JSON, all the way down: many times as fast as `copy.deepcopy`, which would be most of a run."""
    if isinstance(raw, dict):
        return {key: copied(value) if isinstance(value, _NESTED) else value for key, value in raw.items()}
    if isinstance(raw, list):
        return [copied(item) if isinstance(item, _NESTED) else item for item in raw]
    return raw


def _owners(raw: Raw) -> list[str]:
    return [owner["uid"] for owner in raw["metadata"].get("ownerReferences", [])]


def _started(pod: Raw) -> str:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    started: str = state["running"]["startedAt"]
    assert parse_timestamp(started)
    return started


def _say(conditions: list[Raw], one: Raw) -> None:
    if all(other["type"] != one["type"] for other in conditions):
        conditions.append(one)

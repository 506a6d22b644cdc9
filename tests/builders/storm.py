"""The cluster in memory behind a bad line: what happens in it reaches the operator late, twice, or not at all, and the
answers to its writes may be lost. Each start is checked against the caps that the operator could know of.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from forge_core.phase import Phase
from forge_operator.actions import (
    Action,
    CreateJob,
    ExtendDeadline,
    FailPod,
    PatchStatus,
    SuspendJob,
)
from forge_operator.decide import Decision, decision
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from tests.builders.operator import Raw
from tests.builders.world import World, copied

FATES: Final = ("answered",) * 7 + ("unanswered", "not sent", "late")
_WRITTEN: Final = {SuspendJob: Kind.JOB, ExtendDeadline: Kind.JOB, FailPod: Kind.POD, PatchStatus: Kind.ANALYSIS_JOB}


class Storm(World):
    """`pending` holds what the watches have not brought yet; `late` and `unknown` are writes under way."""

    def __init__(self) -> None:
        self.pending: dict[Kind, deque[tuple[str, Raw]]] = defaultdict(deque)
        self.lists: dict[Kind, tuple[list[Raw], int]] = {}
        self.late: dict[str, Action] = {}
        self.unknown: dict[str, CreateJob] = {}
        self.limits: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        """Every value that a cap had, ("queue" or "tenant", name) -> (since which version, value)."""
        self.believed: dict[str, tuple[int, int]] = {}
        """By AnalysisJob: the versions of its queue and its namespace that its start was decided from."""
        super().__init__()

    # --- the watches ---

    def _tell(self, kind: Kind, event: str, raw: Raw) -> None:
        self.log.append((kind, event, raw))
        self.pending[kind].append((event, raw))

    def deliver(self, kind: Kind, count: int = 1_000_000) -> None:
        """The watch of a kind brings the next events."""
        for _ in range(min(count, len(self.pending[kind]))):
            event, raw = self.pending[kind].popleft()
            self.picture.observe(kind, event, raw)

    def lose(self, kind: Kind, count: int) -> None:
        """The watch broke and was begun anew behind these events."""
        for _ in range(min(count, len(self.pending[kind]))):
            self.pending[kind].popleft()

    def begin_list(self, kind: Kind) -> None:
        """A complete list is read; it is worked in later."""
        self.lists[kind] = (self.of(kind), self.version)

    def end_list(self, kind: Kind) -> None:
        """The list that was read is worked in, whatever has happened since."""
        found = self.lists.pop(kind, None)
        if found is not None:
            for raw in found[0]:
                self.picture.observe(kind, None, raw)
            self.picture.relisted(kind, {raw["metadata"]["uid"] for raw in found[0]}, found[1])

    def calm(self) -> None:
        """All that is under way arrives, and a relist repairs what was lost."""
        self.carry_out_late()
        self.ask_again()
        for kind in Kind:
            self.deliver(kind)
            self.begin_list(kind)
            self.end_list(kind)

    # --- the operator ---

    def decide(self) -> Decision:
        """One decision; what it believed of the caps is noted for each start."""
        made = decision(self.picture, self.now)
        self.picture.attention.take(made.looks)
        for action in made.actions:
            if isinstance(action, CreateJob) and action.uid not in self.picture.holds:
                queue, namespace = self.picture.queues[action.queue], self.picture.namespaces[action.namespace]
                self.believed[action.uid] = (queue.version, namespace.version)
        return made

    def carry_out(self, actions: list[Action], fate: Callable[[], str] = lambda: "answered") -> None:
        """As the applier: one write at a time for a key, each with a fate of its own."""
        for action in actions:
            if action.key not in self.late and not (isinstance(action, CreateJob) and action.uid in self.unknown):
                self._send(action, fate())

    def _send(self, action: Action, fate: str) -> None:
        if fate == "not sent":
            return
        if fate == "late":
            self.late[action.key] = action
            if isinstance(action, CreateJob):
                self.picture.hold(action.uid, action.queue, action.namespace)
            return
        self._do(action, answered=fate == "answered")

    def carry_out_late(self) -> None:
        """What was sent some time ago is carried out now."""
        late, self.late = self.late, {}
        for action in late.values():
            self._do(action, answered=True)

    def ask_again(self) -> None:
        """Creations whose answer was lost are sent again, unless the outcome is known or no Job is wanted any more."""
        unknown, self.unknown = self.unknown, {}
        for action in unknown.values():
            job = self.picture.analysis_jobs.get(action.uid)
            if (action.namespace, action.uid) in self.picture.jobs or job is None or job.status.phase.terminal:
                self.picture.release(action.uid)
            else:
                self._do(action, answered=True)

    def kill(self, pick: random.Random, *, history_known: bool) -> None:
        """The operator dies; what it had sent is carried out or not, then another begins with lists of everything."""
        for action in self.late.values():
            if pick.random() < 0.5:
                self._do(action, answered=False)
        self.late, self.unknown, self.lists = {}, {}, {}
        self.fresh_picture(history_known=history_known)
        self.picture.recorded(self.recorded)

    def fresh_picture(self, *, history_known: bool = True) -> Picture:
        """Its watches begin where its lists end."""
        self.pending.clear()
        return super().fresh_picture(history_known=history_known)

    # --- the API server ---

    def _do(self, action: Action, *, answered: bool) -> None:
        if isinstance(action, CreateJob):
            self._create_or_find(action, answered=answered)
            return
        self.apply(action)
        kind = _WRITTEN.get(type(action))
        held = self.stored.get((kind, action.uid)) if kind and hasattr(action, "uid") else None
        if answered and kind and held is not None:
            self.picture.observe(kind, None, held)

    def _create_or_find(self, action: CreateJob, *, answered: bool) -> None:
        self.picture.hold(action.uid, action.queue, action.namespace)
        key = (Kind.JOB, f"job-{action.body['metadata']['name']}")
        if key not in self.stored and (Kind.ANALYSIS_JOB, action.uid) in self.stored:
            body = copied(action.body)
            body["metadata"]["uid"], body["status"] = key[1], {}
            self.created.append((action.queue, action.uid, self.now.replace(microsecond=0)))
            self.put(Kind.JOB, body)
            self._check(action)
        if not answered:
            self.unknown[action.uid] = action
            return
        if key in self.stored:
            self.picture.observe(Kind.JOB, None, self.stored[key])
        self.picture.release(action.uid)

    # --- the caps ---

    def limit(self, of: str, name: str, value: float) -> None:
        """A cap has this value from the present version on."""
        self.limits[of, name].append((self.version, value))

    def open_jobs(self) -> list[Raw]:
        """AnalysisJobs that have a Job and are not over."""
        owners = (job["metadata"]["ownerReferences"][0]["uid"] for job in self.of(Kind.JOB))
        found = (self.stored.get((Kind.ANALYSIS_JOB, uid)) for uid in owners)
        return [job for job in found if job is not None and not phase_of(job).terminal]

    def _check(self, action: CreateJob) -> None:
        """No start breaks a cap that held from its decision on."""
        tenant = self.tenant_of(action.namespace)
        open_jobs = self.open_jobs()
        in_queue = sum(job["spec"]["queue"] == action.queue for job in open_jobs)
        of_tenant = sum(self.tenant_of(job["metadata"]["namespace"]) == tenant for job in open_jobs)
        queue_version, namespace_version = self.believed[action.uid]
        assert in_queue <= self._allowed(("queue", action.queue), queue_version), f"{in_queue} in {action.queue}"
        assert of_tenant <= self._allowed(("tenant", tenant), namespace_version), f"{of_tenant} of {tenant}"

    def _allowed(self, of: tuple[str, str], since: int) -> float:
        values = self.limits[of]
        known = [value for version, value in values if version <= since][-1:]
        return max([*known, *(value for version, value in values if version > since)], default=float("inf"))

    def tenant_of(self, namespace: str) -> str:
        """The tenant that owns a namespace."""
        labels: dict[str, Any] = self.stored[Kind.NAMESPACE, f"uid-ns-{namespace}"]["metadata"]["labels"]
        return str(labels["forge-factory.dev/tenant"])


def phase_of(job: Raw) -> Phase:
    """Of an AnalysisJob."""
    return Phase(job.get("status", {}).get("phase", "Queued"))

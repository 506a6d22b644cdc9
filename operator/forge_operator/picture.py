"""The operator's picture of the cluster, in memory: fed by `observe`, read by `decide`, never doing I/O.

Watches, relists and the answers to our own writes all enter by `observe`, in any order and any number of times: what
is older than what is held has no effect, and what was deleted does not come back.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar

from forge_core.pauses import Pauses
from forge_core.resource import SlaSpec
from forge_operator.admission.starts import AllStarts
from forge_operator.attention import Attention
from forge_operator.digests import (
    AnalysisJobDigest,
    AnyDigest,
    EventDigest,
    JobDigest,
    Kind,
    NamespaceDigest,
    NodeDigest,
    PodDigest,
    PullDigest,
    QueueDigest,
)
from forge_operator.ended import Ended
from forge_operator.held import Change, Held
from forge_operator.known import Hold, Refusal, Report, Surroundings
from forge_operator.placing import Owner, Place, Places, State, kin_of, state_of, turn_of
from forge_operator.pods import Pods
from forge_operator.pulses import Pulses
from forge_operator.retries import Retries, claim_of, origin_of
from forge_operator.sla import Clocks
from forge_operator.tenants import Tenants
from forge_operator.unschedulable import Room, room_of

PAUSES_OF_A_REFUSAL: Final = Pauses(2.0, 60.0)

_D = TypeVar("_D", bound=AnyDigest)


class Picture:
    """All that `decide` knows. `began` is when this operator began to observe."""

    def __init__(self, began: datetime, surroundings: Surroundings | None = None) -> None:
        self.began = began
        self.surroundings = surroundings or Surroundings()
        self.analysis_jobs: dict[str, AnalysisJobDigest] = {}
        self.queues: dict[str, QueueDigest] = {}
        self.namespaces: dict[str, NamespaceDigest] = {}
        self.tenants = Tenants(self.surroundings.tenant_cap)
        self.nodes: dict[str, NodeDigest] = {}
        self.jobs: dict[Owner, JobDigest] = {}
        self.places = Places()
        self.retries = Retries()
        self.attention = Attention()
        """The admitted jobs that a decision looks at: whatever changes what it would say of one must touch it."""
        self.holds: dict[str, Hold] = {}
        self.refusals: dict[str, Refusal] = {}
        self.away: dict[str, str] = {}
        """Dependencies that are known to be away, by name, with the error seen."""
        self.history_known = False
        """Whether the starts before `began` have been read from the history."""
        self.reports: dict[str, Report] = {}
        self.noticed_at: dict[str, datetime] = {}
        self.notices: deque[datetime] = deque(maxlen=1000)
        self.ended = Ended()
        self.clocks = Clocks()
        self.retirements: deque[datetime] = deque(maxlen=1000)
        self.pods = Pods()
        self.pulses = Pulses()
        self.pod_refusals: dict[str, EventDigest] = {}
        self._held = Held()
        self._owner_of_job: dict[str, Owner] = {}
        self._starts = AllStarts()
        self._room: tuple[Room | None] | None = None

    # --- what was seen -------------------------------------------------------------------------------------------

    def observe(self, kind: Kind, event: str | None, raw: object) -> Change | None:
        """Take in a raw object from a watch (`event` ADDED, MODIFIED, DELETED), a list or an answer (None).

        Returns what changed, None when nothing did: the object is none of ours, or older than what is held.
        """
        change = self._held.take(kind, event, raw)
        return self._index(change) if change is not None else None

    def relisted(self, kind: Kind, seen: Collection[str], version: int) -> list[Change]:
        """A complete list ended: `seen` are the UIDs in it, `version` its resourceVersion. Returns the removals.

        Every object of the list must have been observed before. Removed is only what was last seen at or before the
        list's version: something newer may simply have been created since.
        """
        return [self._index(change) for change in self._held.relisted(kind, seen, version)]

    def reopen(self) -> None:
        """A namespace came to be served whose objects were passed over: the lists of such kinds count no more."""
        self._held.reopen()

    @property
    def missing(self) -> frozenset[Kind]:
        """The kinds of which no complete list came yet; nothing is decided before."""
        return self._held.missing

    # --- what was done -------------------------------------------------------------------------------------------

    def hold(self, uid: str, queue: str, namespace: str) -> None:
        """A Job's creation is about to be sent: the job keeps its slot until `release`."""
        if uid in self.holds:
            return
        self.holds[uid] = Hold(queue, namespace)
        self._starts.under_way(queue, 1)
        self._place((namespace, uid))

    def release(self, uid: str) -> None:
        """The outcome of the creation is known; a Job that was made has been observed before."""
        hold = self.holds.pop(uid, None)
        if hold is not None:
            self._starts.under_way(hold.queue, -1)
            self._place((hold.namespace, uid))

    def refused(self, uid: str, message: str, now: datetime) -> None:
        """The API server refused to create the job's Job: it is asked again later, each time after a longer pause."""
        times = self.refusals[uid].times + 1 if uid in self.refusals else 1
        self.refusals[uid] = Refusal(message, now + timedelta(seconds=PAUSES_OF_A_REFUSAL.after(times)), times)
        self._look_again(uid)

    def noticed(self, uid: str, now: datetime) -> None:
        """A spare write was sent: it counts against the budget."""
        self.noticed_at[uid] = now
        self.notices.append(now)
        self._look_again(uid)

    def retired(self, now: datetime) -> None:
        """The deletion of an AnalysisJob that is over was sent: it counts against the budget."""
        self.retirements.append(now)

    # --- what else is known --------------------------------------------------------------------------------------

    def dependency(self, name: str, error: str) -> bool:
        """Whether a dependency (`PostgreSQL`, `the API`) is away, with the error; "" when it is there. True if new."""
        was = name in self.away
        if error:
            self.away[name] = error
        else:
            self.away.pop(name, None)
        return was != bool(error)

    def remember_starts(self, queue: str, starts: Iterable[tuple[str, datetime]]) -> None:
        """Starts that the history knows: (UID of the AnalysisJob, when). Set `history_known` after the last queue."""
        for uid, at in starts:
            self._starts.add(queue, uid, at)

    def recorded(self, uids: Iterable[str]) -> None:
        """The history holds the ends of these AnalysisJobs: they may leave the cluster when their time has come."""
        for uid in uids:
            self.ended.record(uid)

    def report(self, uid: str, report: Report) -> bool:
        """A runner's progress as Redis has it. Returns whether it is new; only open jobs are remembered."""
        job = self.analysis_jobs.get(uid)
        if job is None or job.status.phase.terminal or self.reports.get(uid) == report:
            return False
        self.reports[uid] = report
        self._look_again(uid)
        return True

    # --- questions -----------------------------------------------------------------------------------------------

    def served(self) -> Iterator[tuple[str, str]]:
        """(tenant, namespace) of each namespace that is served."""
        return ((each.tenant, each.name) for each in self.namespaces.values() if each.tenant)

    def job_of(self, job: AnalysisJobDigest) -> JobDigest | None:
        """The batch/v1 Job of an AnalysisJob."""
        return self.jobs.get((job.namespace, job.uid))

    def pods_of(self, job: JobDigest) -> Collection[PodDigest]:
        """The pods of a Job that are there."""
        return self.pods.of((job.namespace, job.uid))

    def all_pods_of(self, job: JobDigest) -> list[PodDigest]:
        """The pods of a Job, also those that were deleted while we looked, oldest first."""
        pods = self.pods.ever_of((job.namespace, job.uid))
        return sorted(pods, key=lambda pod: (pod.created or self.began, pod.name))

    def owner_of(self, pod: PodDigest) -> JobDigest | None:
        """The Job of ours that owns a pod: the UID of the Job and the namespace must fit."""
        owner = self._owner_of_job.get(pod.job_uid)
        job = self.jobs.get(owner) if owner and owner[0] == pod.namespace else None
        return job if job is not None and job.uid == pod.job_uid else None

    def pod(self, uid: str) -> PodDigest | None:
        """The pod of that UID, when it is there."""
        found = self._held.get(Kind.POD, uid)
        return found if isinstance(found, PodDigest) else None

    def tenant_of(self, namespace: str) -> str:
        """The tenant that owns a namespace, "" when none does."""
        found = self.namespaces.get(namespace)
        return found.tenant if found else ""

    def room(self) -> Room | None:
        """What nodes that take pods have and have left, our own pods counted; None when there is no such node."""
        if self._room is None:
            nodes = [(node.offers, self.pods.asked_on(node.name)) for node in self.nodes.values() if node.takes_pods]
            self._room = (room_of(nodes),)
        return self._room[0]

    def sla_of(self, queue: str) -> SlaSpec | None:
        """What a queue promises."""
        found = self.queues.get(queue)
        return found.spec.sla if found and found.spec else None

    def slots_used(self, queue: str) -> int:
        """How many jobs hold a slot of a queue."""
        return sum(map(len, self.places.admitted_in(queue).values()))

    def starts_since(self, queue: str, moment: datetime) -> list[datetime]:
        """The starts of a queue later than `moment`, oldest first; those under way are left out."""
        return self._starts.since(queue, moment)

    def starts_after(self, queue: str, moment: datetime) -> int:
        """Starts of a queue later than `moment`, those under way included."""
        return self._starts.after(queue, moment)

    def held(self, kind: Kind) -> Collection[AnyDigest]:
        """All digests of a kind."""
        return self._held.of(kind)

    # --- keeping the indexes -------------------------------------------------------------------------------------

    def _index(self, change: Change) -> Change:
        before, after = change.before, change.after
        digest = after or before
        match digest:
            case AnalysisJobDigest():
                self._index_analysis_job(digest, after is not None)
            case JobDigest():
                self._index_job(digest, after is not None)
            case PodDigest():
                self._index_pod(digest, after is not None)
            case QueueDigest():
                same = isinstance(before, QueueDigest) and isinstance(after, QueueDigest) and before.spec == after.spec
                self._index_queue(digest, after is not None, same)
            case NamespaceDigest():
                self.tenants.changed(_namespace(before), _namespace(after))
                self._index_namespace(digest, after is not None)
            case NodeDigest():
                _by_name(self.nodes, digest, after is not None)
                self._room = None
            case EventDigest() | PullDigest():
                self._index_event(digest, after is not None)
        return change

    def _index_analysis_job(self, job: AnalysisJobDigest, there: bool) -> None:
        if there:
            self.analysis_jobs[job.uid] = job
            self.ended.put(job)
            self.clocks.put(job, self.sla_of(job.queue))
        else:
            del self.analysis_jobs[job.uid]
            self.ended.remove(job.uid)
            self.clocks.remove(job.uid)
        if not there or job.status.phase.terminal:
            for memory in (self.reports, self.noticed_at, self.refusals):
                memory.pop(job.uid, None)
        self._place((job.namespace, job.uid))

    def _index_job(self, job: JobDigest, there: bool) -> None:
        owner = (job.namespace, job.owner_uid)
        if there:
            self.jobs[owner] = job
            self._owner_of_job[job.uid] = owner
            self.refusals.pop(job.owner_uid, None)
            if job.created:
                self._starts.add(job.queue, job.owner_uid, job.created)
            if job.active or job.terminating:
                self.pod_refusals.pop(job.uid, None)
        else:
            if self.jobs.get(owner, job).uid == job.uid:
                self.jobs.pop(owner, None)
            self._owner_of_job.pop(job.uid, None)
            self.pod_refusals.pop(job.uid, None)
            self.pods.forget((job.namespace, job.uid))
        self._place(owner)

    def _index_pod(self, pod: PodDigest, there: bool) -> None:
        self._room = None
        if there:
            self.pods.put(pod)
        else:
            self.pods.remove(pod, ours=self.owner_of(pod) is not None)
        owner = self._owner_of_job.get(pod.job_uid)
        if owner is not None:
            self._place(owner)

    def _index_queue(self, queue: QueueDigest, there: bool, same: bool) -> None:
        _by_name(self.queues, queue, there)
        if same:
            return  # Only its status was written: nobody's place depends on that.
        self._set_clocks(queue.name)
        there_now = (job for job in self.jobs.values() if job.queue == queue.name)
        known = [(job.owner_uid, job.created) for job in there_now if job.created]
        self._starts.remember(queue.name, self._window(queue.name), known)
        for namespace, turns in list(self.places.waiting(queue.name).items()):
            for _, _, uid in list(turns):
                self._place((namespace, uid))
        for namespace, uids in self.places.admitted_in(queue.name).items():
            for uid in uids:
                self.attention.touch((namespace, uid))

    def _set_clocks(self, queue: str) -> None:
        sla = self.sla_of(queue)
        for job in self.analysis_jobs.values():
            if job.queue == queue:
                self.clocks.put(job, sla)

    def _index_namespace(self, namespace: NamespaceDigest, there: bool) -> None:
        _by_name(self.namespaces, namespace, there)
        for queue in self.places.queues():
            for uid in self.places.admitted_in(queue).get(namespace.name, ()):
                self.attention.touch((namespace.name, uid))

    def _index_event(self, event: EventDigest | PullDigest, there: bool) -> None:
        # Of events only the last word about a Job that is there is kept. Pulls are for listeners alone.
        if isinstance(event, EventDigest) and there and event.about_uid in self._owner_of_job:
            self.pod_refusals[event.about_uid] = event
            self._place(self._owner_of_job[event.about_uid])

    def _window(self, queue: str) -> timedelta:
        found = self.queues.get(queue)
        limit = found.spec.rate_limit if found and found.spec else None
        return timedelta(seconds=limit.per + 61 if limit else 0)

    def _place(self, owner: Owner) -> None:
        namespace, uid = owner
        known, child, hold = self.analysis_jobs.get(uid), self.jobs.get(owner), self.holds.get(uid)
        job = known if known is not None and known.namespace == namespace else None
        if job is not None and child is not None and job.status.phase.terminal:
            self.pods.settle((namespace, child.uid))
        alive = child is not None and any(pod.live for pod in self.pods_of(child))
        state = state_of(job, child, hold is not None and hold.namespace == namespace, alive)
        if job is not None or known is None:
            self._claim(uid, job, state)
        if state is State.WAITING and self.retries.first(uid) is not None:
            state = State.SETTLING
        if state is State.ADMITTED:
            self.attention.touch(owner)
        else:
            self.attention.forget(owner)
        if state is None:
            self.places.put(owner, None)
            return
        queue = job.queue if job else child.queue if child else hold.queue if hold else ""
        if state is not State.WAITING or job is None:
            self.places.put(owner, Place(state, queue))
            return
        found = self.queues.get(queue)
        default = found.spec.default_priority if found and found.spec else 5
        kin = kin_of(job, refused=uid in self.refusals)
        self.places.put(owner, Place(state, queue, turn_of(job, default), kin))

    def _claim(self, uid: str, job: AnalysisJobDigest | None, state: State | None) -> None:
        """Enter what the job does again; others that do the same may have to wait for it, or no longer."""
        origin = origin_of(job) if job is not None else None
        claim = claim_of(job, state, self.began) if job is not None and origin is not None else None
        for other in self.retries.put(uid, origin, claim):
            self._place((self.analysis_jobs[other].namespace, other))

    def _look_again(self, uid: str) -> None:
        """Something beside the objects changed that a decision about this AnalysisJob reads."""
        job = self.analysis_jobs.get(uid)
        if job is not None:
            self._place((job.namespace, uid))


def _namespace(digest: AnyDigest | None) -> NamespaceDigest | None:
    return digest if isinstance(digest, NamespaceDigest) else None


def _by_name(index: dict[str, _D], digest: _D, there: bool) -> None:
    if there:
        index[digest.name] = digest
    elif digest.name in index and index[digest.name].uid == digest.uid:
        del index[digest.name]

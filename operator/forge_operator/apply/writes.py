"""What each action writes. Every answer of the API server is taken into the picture before anything else is decided.

A write that was refused raises ClusterError; a conflict is no failure of ours: the object is read again and the next
decision starts from what it has become.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from forge_core.cluster import Cluster, Conflict, NotFound, Raw, analysis_jobs, jobs
from forge_core.history.records import Records
from forge_core.names import ANALYSIS_JOB_KIND
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
from forge_operator.apply.creation import Creation
from forge_operator.apply.pod_writes import PodWrites
from forge_operator.digests import Kind
from forge_operator.observe.sink import Sink
from forge_operator.record.rows import breach_of
from forge_operator.record.summaries import Summaries


class Announcer(Protocol):
    """Tells those who listen to a tenant's progress that a job ended."""

    def end(self, namespace: str, uid: str, phase: Phase, message: str) -> None:
        """Never waits, never fails."""


class Writes:
    """The writes, by action."""

    def __init__(
        self, cluster: Cluster, sink: Sink, records: Records, announcer: Announcer, leads: Callable[[], bool]
    ) -> None:
        self._cluster = cluster
        self._sink = sink
        self._records = records
        self._summaries = Summaries(records)
        self._announcer = announcer
        self._pods = PodWrites(cluster, sink, records)
        self._creation = Creation(cluster, sink, leads)

    async def write(self, action: Action) -> None:
        """Do it. Raises ClusterError or HistoryUnavailable when it has to be decided and tried again."""
        match action:
            case CreateJob():
                await self._creation.create(action)
            case PatchStatus():
                await self._patch_status(action)
            case SuspendJob():
                await self._patch_job(action, {"suspend": True})
            case ExtendDeadline():
                await self._patch_job(action, {"activeDeadlineSeconds": action.seconds})
            case DeleteJob():
                await self._delete_job(action)
            case FailPod() | RestartPod() | DeletePod() | RecordPodEnds():
                await self._pods.write(action)
            case NoteBreaches():
                await self._note_breaches(action)
            case RetireAnalysisJob():
                await self._retire(action)

    async def _patch_status(self, action: PatchStatus) -> None:
        status: dict[str, Any] = dict(action.status)
        if action.phase is Phase.COMPLETED:
            summary = await self._summaries.small(action.uid)
            status |= {"summary": summary} if summary else {}
        if action.spare:
            self._sink.picture.noticed(action.uid, datetime.now(UTC))
        patch = {"metadata": {"resourceVersion": str(action.version), "uid": action.uid}, "status": status}
        path = analysis_jobs(action.namespace, action.name)
        try:
            answer = await self._cluster.patch(path + "/status", patch)
        except Conflict:
            self._sink.seen(Kind.ANALYSIS_JOB, None, await self._cluster.get(path), "answer")
            raise
        self._sink.seen(Kind.ANALYSIS_JOB, "MODIFIED", answer, "answer")
        if action.phase.terminal:
            self._announcer.end(action.namespace, action.uid, action.phase, str(status.get("message", "")))

    async def _patch_job(self, action: SuspendJob | ExtendDeadline, spec: Raw) -> None:
        patch: Raw = {"metadata": {"uid": action.uid}, "spec": spec}
        answer = await self._cluster.patch(jobs(action.namespace, action.name), patch)
        self._sink.seen(Kind.JOB, "MODIFIED", answer, "answer")

    async def _delete_job(self, action: DeleteJob) -> None:
        try:
            answer = await self._cluster.delete(jobs(action.namespace, action.name), action.uid, action.propagation)
        except (NotFound, Conflict):  # gone, or another object of that name: what was to be deleted isn't there
            return
        if answer.get("kind") == "Job":
            self._sink.seen(Kind.JOB, "MODIFIED", answer, "answer")

    async def _note_breaches(self, action: NoteBreaches) -> None:
        noted = await self._records.breaches([breach_of(clock) for clock in action.clocks])
        self._sink.picture.clocks.told(map(str, noted.settled))
        for queue in noted.new.values():
            self._sink.metrics.breached(queue)

    async def _retire(self, action: RetireAnalysisJob) -> None:
        self._sink.picture.retired(datetime.now(UTC))
        path = analysis_jobs(action.namespace, action.name)
        try:
            answer = await self._cluster.delete(path, action.uid, version=action.version)
        except NotFound:
            answer = {}
        except Conflict:
            self._sink.seen(Kind.ANALYSIS_JOB, None, await self._cluster.get(path), "answer")
            raise
        if answer.get("kind") == ANALYSIS_JOB_KIND:  # somebody's finalizer holds it
            self._sink.seen(Kind.ANALYSIS_JOB, "MODIFIED", answer, "answer")
            return
        # Gone, and what was deleted was the object of this very version: nothing newer is hidden by saying so.
        gone = {"namespace": action.namespace, "name": action.name, "uid": action.uid}
        last: Raw = {"metadata": {**gone, "resourceVersion": str(action.version)}}
        self._sink.seen(Kind.ANALYSIS_JOB, "DELETED", last, "answer")

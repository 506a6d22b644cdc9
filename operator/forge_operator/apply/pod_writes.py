"""What is written about runner pods: declared failed, ended as stalled, deleted, and how they ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from forge_core.cluster import STRATEGIC_PATCH, Cluster, Conflict, NotFound, Raw, core
from forge_core.durations import timestamp
from forge_core.exits import FailureClass
from forge_core.history.records import PodEnd, Records
from forge_core.names import STALLED_CONDITION
from forge_operator.actions import DeletePod, EndOfPod, FailPod, RecordPodEnds, RestartPod
from forge_operator.digests import Kind
from forge_operator.observe.sink import Sink


class PodWrites:
    """The same promises as `Writes`."""

    def __init__(self, cluster: Cluster, sink: Sink, records: Records) -> None:
        self._cluster = cluster
        self._sink = sink
        self._records = records

    async def write(self, action: FailPod | RestartPod | DeletePod | RecordPodEnds) -> None:
        """Do it. Raises ClusterError or HistoryUnavailable when it has to be decided and tried again."""
        match action:
            case FailPod():
                await self._fail_pod(action)
            case RestartPod():
                await self._restart_pod(action)
            case DeletePod():
                await self._delete_pod(action)
            case RecordPodEnds():
                await self._record(action.ends)

    async def _fail_pod(self, action: FailPod) -> None:
        status: Raw = {"phase": "Failed", "reason": action.reason, "message": action.message}
        if not action.disrupted:
            status["conditions"] = [_holding("DisruptionTarget", action.reason, action.message)]
        await self._patch_pod(action, status)

    async def _restart_pod(self, action: RestartPod) -> None:
        if not action.marked:
            mark = _holding(STALLED_CONDITION, "NoHeartbeat", action.message)
            await self._patch_pod(action, {"conditions": [mark]})
        message = f"{action.message[:1].upper()}{action.message[1:]}: its pod was ended."
        end = PodEnd(UUID(action.uid), UUID(action.job_uid), FailureClass.STALLED, message, datetime.now(UTC))
        await self._records.pods_ended([end])
        try:
            answer = await self._cluster.delete(core("pods", action.namespace, action.name), action.uid)
        except (NotFound, Conflict):
            return
        if answer.get("kind") == "Pod":
            self._sink.seen(Kind.POD, "MODIFIED", answer, "answer")

    async def _patch_pod(self, action: FailPod | RestartPod, status: Raw) -> None:
        """Change a pod's status, if the pod is still as it was when that was decided."""
        patch: Raw = {"metadata": {"resourceVersion": str(action.version), "uid": action.uid}, "status": status}
        path = core("pods", action.namespace, action.name)
        try:
            answer = await self._cluster.patch(path + "/status", patch, STRATEGIC_PATCH)
        except Conflict:
            self._sink.seen(Kind.POD, None, await self._cluster.get(path), "answer")
            raise
        self._sink.seen(Kind.POD, "MODIFIED", answer, "answer")

    async def _delete_pod(self, action: DeletePod) -> None:
        try:
            await self._cluster.delete(core("pods", action.namespace, action.name), action.uid, grace=0)
        except (NotFound, Conflict):
            return

    async def _record(self, ends: Sequence[EndOfPod]) -> None:
        await self._records.pods_ended([_row(end) for end in ends])
        for end in ends:
            self._sink.picture.pods.told(end.pod_uid, ended=end.ended_at is not None)


def _row(end: EndOfPod) -> PodEnd:
    return PodEnd(UUID(end.pod_uid), UUID(end.job_uid), end.failure_class, end.message, end.ended_at, end.refund)


def _holding(of_type: str, reason: str, message: str) -> Raw:
    """A condition of a pod that holds from now on."""
    return {
        "type": of_type,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(datetime.now(UTC)),
    }

"""What can be done to the cluster and to the history: each action is a value that says all that its doing needs.

Each is idempotent and has a `key`: one with a key that is being applied must not be started again. Actions are
returned in the order of their urgency; those with `spare` true share the cluster-wide budget of saved writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from forge_core.cluster import Raw
from forge_core.exits import FailureClass
from forge_core.phase import Phase

if TYPE_CHECKING:
    from forge_operator.sla import Clock


@dataclass(frozen=True)
class CreateJob:
    """Create the batch/v1 Job of an AnalysisJob; a 409 whose ownerReference carries `uid` is success.

    Whoever applies it calls `picture.hold(uid, queue, namespace)` before the request is sent, and
    `picture.release(uid)` only when its outcome is known: made (after merging the answer) or refused (then also
    `picture.refused(uid, message, now)`).
    """

    uid: str
    """Of the AnalysisJob."""
    namespace: str
    queue: str
    body: Raw
    wait: float = 0.0
    """Seconds from the AnalysisJob's creation to the decision."""

    @property
    def key(self) -> str:
        """One creation an AnalysisJob."""
        return f"create/{self.uid}"


@dataclass(frozen=True)
class PatchStatus:
    """Merge `status` into an AnalysisJob's status; a conflict with `version` means that the picture is behind."""

    uid: str
    namespace: str
    name: str
    version: int
    """The resourceVersion that it was decided from."""
    phase: Phase
    status: Mapping[str, Any]
    """As JSON, camelCase, only what changes."""
    spare: bool = False
    """A notice or a progress copy: call `picture.noticed(uid, now)` when it is sent; it may be dropped."""

    @property
    def key(self) -> str:
        """One write at a time an AnalysisJob."""
        return f"status/{self.uid}"


@dataclass(frozen=True)
class SuspendJob:
    """Set `spec.suspend: true` on a Job: its pods end gracefully."""

    namespace: str
    name: str
    uid: str
    """Of the batch/v1 Job."""

    @property
    def key(self) -> str:
        """One suspension a Job."""
        return f"suspend/{self.uid}"


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job, only the one with this UID; 404 is success."""

    namespace: str
    name: str
    uid: str
    propagation: str = "Background"

    @property
    def key(self) -> str:
        """One deletion a Job."""
        return f"delete/{self.uid}"


@dataclass(frozen=True)
class ExtendDeadline:
    """Set a Job's `activeDeadlineSeconds`, which only grows."""

    namespace: str
    name: str
    uid: str
    seconds: int

    @property
    def key(self) -> str:
        """One extension at a time a Job."""
        return f"deadline/{self.uid}"


@dataclass(frozen=True)
class FailPod:
    """Write `phase: Failed` with this reason on `pods/status`, with the version it was decided from."""

    namespace: str
    name: str
    uid: str
    version: int
    reason: str
    message: str
    disrupted: bool
    """Whether it carries the condition DisruptionTarget. If not it is given it: a lost node is not the job's fault."""

    @property
    def key(self) -> str:
        """One write a pod."""
        return f"fail/{self.uid}"


@dataclass(frozen=True)
class RestartPod:
    """End a stalled pod, so that another follows: mark it, close its attempt (charged), delete it with its grace.

    In this order: the mark is only written while the pod is as it was seen, and holds over our own end; once the
    attempt is closed the pod can't store a result any more. What was done before is harmless to repeat.
    """

    namespace: str
    name: str
    uid: str
    version: int
    """The resourceVersion that it was decided from."""
    job_uid: str
    """Of the AnalysisJob."""
    message: str
    """Such as `no heartbeat for 60 s`."""
    marked: bool

    @property
    def key(self) -> str:
        """One a pod."""
        return f"restart/{self.uid}"


@dataclass(frozen=True)
class DeletePod:
    """Delete a pod with grace 0, only the one with this UID; 404 is success."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> str:
        """One deletion a pod."""
        return f"remove/{self.uid}"


@dataclass(frozen=True)
class EndOfPod:
    """How a pod ended, or that a disruption is about to end it (then `ended_at` is None)."""

    job_uid: str
    """Of the AnalysisJob."""
    pod_uid: str
    failure_class: FailureClass
    message: str
    ended_at: datetime | None
    refund: str = ""
    """Why the cluster took it away, so that its attempt isn't charged; "" when it didn't."""


@dataclass(frozen=True)
class RecordPodEnds:
    """Record how pods ended that couldn't tell it.

    Call `picture.pods.told(pod_uid, ended)` for each once they are stored; repeating it is harmless.
    """

    ends: tuple[EndOfPod, ...]

    @property
    def key(self) -> str:
        """One transaction at a time: pods end by the hundred when nodes do, connections are few."""
        return "pod ends"


@dataclass(frozen=True)
class RetireAnalysisJob:
    """Delete an AnalysisJob whose end is recorded, only as it was decided about; its Job and pods go with it.

    Whoever applies it calls `picture.retired(now)` when it is sent: it counts against the budget. 404 is success.
    """

    uid: str
    namespace: str
    name: str
    version: int
    """The resourceVersion that it was decided from."""

    @property
    def key(self) -> str:
        """One deletion an AnalysisJob."""
        return f"retire/{self.uid}"


@dataclass(frozen=True)
class NoteBreaches:
    """Note on the jobs' rows that the clocks of their SLAs ran out; the rows decide whether it is true and new.

    Call `picture.clocks.told(uids)` with those that have a row; repeating it is harmless.
    """

    clocks: tuple["Clock", ...]

    @property
    def key(self) -> str:
        """One transaction at a time."""
        return "breaches"


Action = (
    CreateJob
    | PatchStatus
    | SuspendJob
    | DeleteJob
    | ExtendDeadline
    | FailPod
    | DeletePod
    | RestartPod
    | RecordPodEnds
    | RetireAnalysisJob
    | NoteBreaches
)

"""What is kept of each object: a frozen digest of the few fields that a decision looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from forge_core.messages import Termination
from forge_core.phase import Phase
from forge_core.resource import JobSpec, QueueSpec
from forge_operator.reasons import Reason
from forge_operator.unschedulable import Amounts

NODE_LOST: Final = "NodeLost"
"""The reason of a pod that we declared Failed, for its node is gone."""


class Kind(StrEnum):
    """The kinds that the picture holds."""

    ANALYSIS_JOB = "AnalysisJob"
    JOB_QUEUE = "JobQueue"
    NAMESPACE = "Namespace"
    JOB = "Job"
    POD = "Pod"
    NODE = "Node"
    EVENT = "Event"
    PULL = "ImagePull"
    """Events by which a kubelet says that a runner's image is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What every object has. `version` is its resourceVersion; `deleted_at` its deletionTimestamp (end of grace)."""

    uid: str
    name: str
    namespace: str
    version: int
    created: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One of an object's conditions."""

    type: str
    status: str
    reason: str
    message: str
    since: datetime | None

    @property
    def holds(self) -> bool:
        """Whether the status is True."""
        return self.status == "True"


@dataclass(frozen=True, slots=True)
class Status:
    """`status` of an AnalysisJob; a job without one reads as Queued."""

    phase: Phase
    message: str
    conditions: tuple[Condition, ...]
    progress: int
    stage: str
    attempts: int
    queued_at: datetime | None
    admitted_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    job_name: str
    summary: Mapping[str, Any] | None

    def condition(self, of_type: str) -> Condition | None:
        """The condition of that type."""
        # A plain loop: asked of every open job at each decision.
        for condition in self.conditions:
            if condition.type == of_type:
                return condition
        return None


@dataclass(frozen=True, slots=True)
class CancelWish:
    """Who set `spec.cancel`, as its client calls itself (anybody may use any name), and when."""

    manager: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisJobDigest(Digest):
    """An AnalysisJob. `spec` is None when it can't be carried out, and `problem` says why."""

    spec: JobSpec | None
    problem: str
    status: Status
    analysis_id: str
    """Id of the history row that the API wrote for it; "" when it was applied by somebody else."""
    queue: str
    cancel_wish: CancelWish | None = None
    """None unless `spec.cancel` is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDigest(Digest):
    """A JobQueue. `spec` is None when it can't be carried out, and `problem` says why."""

    spec: QueueSpec | None
    problem: str
    generation: int
    """Of its spec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceDigest(Digest):
    """A namespace; `tenant` is "" when no tenant owns it."""

    tenant: str
    labels: Mapping[str, str]
    weight: int | None
    """As annotated; None when it says nothing that counts."""
    max_running: int | None
    """As annotated; None when it says nothing that counts."""
    problem: str
    """Which annotation is ignored, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDigest(Digest):
    """A batch/v1 Job of ours. `succeeded` and `failed` count pods; `deadline` is activeDeadlineSeconds."""

    owner_uid: str
    owner_name: str
    queue: str
    tenant: str
    attempts: int
    active: int
    ready: int
    succeeded: int
    failed: int
    terminating: int
    suspend: bool
    suspended: bool
    failure: Condition | None
    """Why it failed; known from the moment when the Job controller decided it (KEP-3998)."""
    success: Condition | None
    """That it succeeded; known from the moment when the Job controller decided it (KEP-3998)."""
    started_at: datetime | None
    completed_at: datetime | None
    deadline: int | None

    @property
    def decided(self) -> bool:
        """Whether its outcome is known; pods may still be ending."""
        return self.failure is not None or self.success is not None

    @property
    def quiet(self) -> bool:
        """Whether the Job controller counts no pod that runs or is ending."""
        return self.active == 0 and self.terminating == 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from running, in words for a person."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDigest(Digest):
    """A runner pod. `running_since` is None unless its runner runs now."""

    job_uid: str
    """UID of the batch/v1 Job that owns it."""
    node: str
    phase: str
    reason: str
    message: str
    disruption: str
    """Reason of the condition DisruptionTarget, "" when there is none."""
    stalled: str
    """Why it is ended as stalled, "" when it isn't."""
    trouble: Trouble | None
    running_since: datetime | None
    scheduled_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    out_of_memory: bool
    words: Termination | None
    memory_limit: str
    needs: Amounts
    """What its containers ask for."""

    @property
    def live(self) -> bool:
        """Whether it may still do something."""
        return self.phase not in {"Succeeded", "Failed"}

    @property
    def taken_away(self) -> str:
        """Why the cluster took it away, so that its attempt isn't charged; "" when it didn't."""
        return self.disruption or (NODE_LOST if self.reason == NODE_LOST else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDigest(Digest):
    """A node, and whether its kubelet says that it is ready."""

    ready: bool
    takes_pods: bool
    """Whether it isn't cordoned, and has no taint that keeps runners away."""
    offers: Amounts
    """What it has for pods (allocatable)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDigest(Digest):
    """A core Event about a Job: its controller could not create a pod."""

    about_uid: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullDigest(Digest):
    """A runner's image is on its node: pulled in `seconds` (None: unknown), or `present` before."""

    pod_uid: str
    at: datetime
    present: bool
    seconds: float | None


AnyDigest = (
    AnalysisJobDigest | QueueDigest | NamespaceDigest | JobDigest | PodDigest | NodeDigest | EventDigest | PullDigest
)

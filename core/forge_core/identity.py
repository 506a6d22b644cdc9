"""Which runner calls: a projected ServiceAccount token, reviewed, then pod UID -> Job -> AnalysisJob UID.

Every link is read from the cluster and compared by UID, and the Job must bear the name that only the operator derives:
an ownerReference is written by whoever creates an object, and proves nothing alone. A cluster that can't be asked is
told apart from a refusal: a runner must not take the one for the other.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from forge_core.cluster import TOKEN_REVIEWS, Call, NotFound, Raw, analysis_jobs, core, job_queues, jobs
from forge_core.kube import SECONDS, Kubernetes, read
from forge_core.maintenance import CLEANUP
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    ATTEMPTS_ANNOTATION,
    RUNNER_SERVICE_ACCOUNT,
    child_job_name,
)

KEEP_SECONDS: Final = 30.0
KEPT: Final = 20_000
MAX_TOKEN: Final = 16 * 1024
_POD_NAME: Final = "authentication.kubernetes.io/pod-name"
_POD_UID: Final = "authentication.kubernetes.io/pod-uid"


class BadToken(Exception):
    """No token, or one that this cluster didn't issue for whom it was shown to."""


class NotAllowed(Exception):
    """The token is good, but not a runner's, or not of a runner that may."""


class JobGone(Exception):
    """The token is good, but the pod, its Job or its AnalysisJob isn't there, or is another by now."""

    def __init__(self, pod_uid: str) -> None:
        super().__init__("The job is gone from the cluster.")
        self.pod_uid = pod_uid


@dataclass(frozen=True)
class Runner:
    """A pod that works for an AnalysisJob; `budget` is the job's whole number of attempts."""

    namespace: str
    pod_name: str
    pod_uid: UUID
    job_uid: UUID
    """The AnalysisJob's."""
    budget: int
    queue: str = ""
    """The AnalysisJob's."""
    repository: str = ""
    """The URL that the AnalysisJob names, "" when it names none."""


@dataclass(frozen=True)
class _Pod:
    namespace: str
    name: str
    uid: str


class Identities:
    """Answers are kept for half a minute; what a runner may do is decided anew each time."""

    def __init__(self, kube: Kubernetes, audience: str) -> None:
        """`audience`: whom tokens must have been issued for. One that is shown to another program is no good here."""
        self._kube = kube
        self._audience = audience
        self._kept: OrderedDict[bytes, tuple[float, Runner]] = OrderedDict()

    async def runner(self, token: str) -> Runner:
        """Raises BadToken, NotAllowed, JobGone, ClusterError (it can't be asked)."""
        if not token or len(token) > MAX_TOKEN:
            raise BadToken("A runner's ServiceAccount token is needed.")
        key = hashlib.sha256(token.encode()).digest()
        held = self._kept.get(key)
        if held is not None and held[0] > time.monotonic():
            return held[1]
        runner = await self._asked(token)
        self._kept[key] = (time.monotonic() + KEEP_SECONDS, runner)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return runner

    async def cleaner(self, runner: Runner, namespace: str) -> None:
        """Whether a runner may do maintenance: the system tenant's, of a clean-up queue. Raises NotAllowed."""
        if not namespace or runner.namespace != namespace:
            raise NotAllowed("Maintenance is for runners in the system tenant's namespace only.")
        try:
            queue = await read(self._kube, job_queues(runner.queue))
        except NotFound:
            raise NotAllowed("The job's queue is gone.") from None
        if queue.get("spec", {}).get("jobType") != CLEANUP:
            raise NotAllowed(f"Maintenance is for jobs of queues of jobType {CLEANUP} only.")

    async def _asked(self, token: str) -> Runner:
        pod = await self._review(token)
        try:
            return await self._chain(pod)
        except NotFound:
            raise JobGone(pod.uid) from None

    async def _review(self, token: str) -> _Pod:
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        status = (await self._kube.request(Call("POST", TOKEN_REVIEWS, {}, asked, seconds=SECONDS))).get("status", {})
        if not status.get("authenticated") or self._audience not in status.get("audiences", []):
            raise BadToken(f"The token is not one that this cluster issued for the audience {self._audience}.")
        user: dict[str, Any] = status.get("user", {})
        extra: dict[str, list[str]] = user.get("extra") or {}
        account = str(user.get("username", "")).split(":")
        names, uids = extra.get(_POD_NAME, []), extra.get(_POD_UID, [])
        ours = account[:2] == ["system", "serviceaccount"] and account[3:] == [RUNNER_SERVICE_ACCOUNT]
        if not ours or len(names) != 1 or len(uids) != 1:
            raise NotAllowed("The token is not a runner pod's.")
        return _Pod(account[2], names[0], uids[0])

    async def _chain(self, pod: _Pod) -> Runner:
        found = _same(await read(self._kube, core("pods", pod.namespace, pod.name)), pod.uid, pod)
        owner = _controller(found, "Job", "batch/")
        job = _same(await read(self._kube, jobs(pod.namespace, owner["name"])), owner["uid"], pod)
        owner = _controller(job, ANALYSIS_JOB_KIND, "forge-factory.dev/")
        resource = _same(await read(self._kube, analysis_jobs(pod.namespace, owner["name"])), owner["uid"], pod)
        if job["metadata"]["name"] != child_job_name(owner["name"], owner["uid"]):
            raise NotAllowed("The pod's Job was not made by the operator.")
        spec = resource.get("spec", {})
        return Runner(
            namespace=pod.namespace,
            pod_name=pod.name,
            pod_uid=UUID(pod.uid),
            job_uid=UUID(resource["metadata"]["uid"]),
            budget=_budget(job),
            queue=str(spec.get("queue", "")),
            repository=str((spec.get("repository") or {}).get("url", "")),
        )


def _same(found: Raw, uid: str, pod: _Pod) -> Raw:
    """The object, if it is still the one that was meant: a name may have been taken again."""
    if found["metadata"]["uid"] != uid:
        raise JobGone(pod.uid)
    return found


def _controller(found: Raw, kind: str, group: str) -> dict[str, str]:
    for owner in found["metadata"].get("ownerReferences") or []:
        if owner.get("controller") and owner.get("kind") == kind and str(owner.get("apiVersion")).startswith(group):
            return {"name": owner["name"], "uid": owner["uid"]}
    raise NotAllowed(f"The pod does not belong to a {kind}.")


def _budget(job: Raw) -> int:
    text = (job["metadata"].get("annotations") or {}).get(ATTEMPTS_ANNOTATION, "")
    if not text.isdigit() or not 1 <= int(text[:4]) <= 100:
        raise NotAllowed(f"The pod's Job lacks the annotation {ATTEMPTS_ANNOTATION}.")
    return int(text)

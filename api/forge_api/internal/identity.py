"""Which runner calls: a projected ServiceAccount token, reviewed, then pod UID -> Job -> AnalysisJob UID.

Every link is read from the cluster and compared by UID, and the Job must bear the name that only the operator derives:
an ownerReference is written by whoever creates an object, and proves nothing alone. A cluster that can't be asked is a
503, never a 401: a runner must not take it for a refusal.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from forge_api.kube import SECONDS, Kubernetes, read
from forge_api.problems import Problem, unauthenticated, unavailable
from forge_core.attempts import FENCED
from forge_core.cluster import TOKEN_REVIEWS, Call, ClusterError, NotFound, Raw, analysis_jobs, core, jobs
from forge_core.logs import get_logger
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    ATTEMPTS_ANNOTATION,
    RUNNER_SERVICE_ACCOUNT,
    TOKEN_AUDIENCE,
    child_job_name,
)

KEEP_SECONDS: Final = 30.0
KEPT: Final = 20_000
MAX_TOKEN: Final = 16 * 1024
_POD_NAME: Final = "authentication.kubernetes.io/pod-name"
_POD_UID: Final = "authentication.kubernetes.io/pod-uid"
log = get_logger("api.identity")


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


@dataclass(frozen=True)
class _Pod:
    namespace: str
    name: str
    uid: str


class JobGone(Problem):
    """409 fenced: the token is good, but the pod, its Job or its AnalysisJob isn't there, or is another by now."""

    def __init__(self, pod_uid: str) -> None:
        super().__init__(409, "The job is gone from the cluster.", code=FENCED)
        self.pod_uid = pod_uid


class Identities:
    """Answers are kept for half a minute; who may write is decided anew each time, by the attempt."""

    def __init__(self, kube: Kubernetes) -> None:
        self._kube = kube
        self._kept: OrderedDict[bytes, tuple[float, Runner]] = OrderedDict()

    async def runner(self, token: str) -> Runner:
        """Raises Problem 401 (the token is no good), 403 (not a runner's), 409 fenced (its job is gone), 503."""
        if not token or len(token) > MAX_TOKEN:
            raise unauthenticated("A runner's ServiceAccount token is needed.")
        key = hashlib.sha256(token.encode()).digest()
        held = self._kept.get(key)
        if held is not None and held[0] > time.monotonic():
            return held[1]
        try:
            runner = await self._asked(token)
        except ClusterError as error:
            log.warning("a runner can't be identified", error=str(error))
            raise unavailable("The Kubernetes API can't be asked who calls; try again.") from None
        self._kept[key] = (time.monotonic() + KEEP_SECONDS, runner)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return runner

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
            "spec": {"token": token, "audiences": [TOKEN_AUDIENCE]},
        }
        status = (await self._kube.request(Call("POST", TOKEN_REVIEWS, {}, asked, seconds=SECONDS))).get("status", {})
        if not status.get("authenticated") or TOKEN_AUDIENCE not in status.get("audiences", []):
            raise unauthenticated("The token is not one that this cluster issued for the audience forge-api.")
        user: dict[str, Any] = status.get("user", {})
        extra: dict[str, list[str]] = user.get("extra") or {}
        account = str(user.get("username", "")).split(":")
        names, uids = extra.get(_POD_NAME, []), extra.get(_POD_UID, [])
        ours = account[:2] == ["system", "serviceaccount"] and account[3:] == [RUNNER_SERVICE_ACCOUNT]
        if not ours or len(names) != 1 or len(uids) != 1:
            raise Problem(403, "The token is not a runner pod's.")
        return _Pod(account[2], names[0], uids[0])

    async def _chain(self, pod: _Pod) -> Runner:
        found = _same(await read(self._kube, core("pods", pod.namespace, pod.name)), pod.uid, pod)
        owner = _controller(found, "Job", "batch/")
        job = _same(await read(self._kube, jobs(pod.namespace, owner["name"])), owner["uid"], pod)
        owner = _controller(job, ANALYSIS_JOB_KIND, "forge-factory.dev/")
        resource = _same(await read(self._kube, analysis_jobs(pod.namespace, owner["name"])), owner["uid"], pod)
        if job["metadata"]["name"] != child_job_name(owner["name"], owner["uid"]):
            raise Problem(403, "The pod's Job was not made by the operator.")
        return Runner(
            namespace=pod.namespace,
            pod_name=pod.name,
            pod_uid=UUID(pod.uid),
            job_uid=UUID(resource["metadata"]["uid"]),
            budget=_budget(job),
            queue=str(resource.get("spec", {}).get("queue", "")),
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
    raise Problem(403, f"The pod does not belong to a {kind}.")


def _budget(job: Raw) -> int:
    text = (job["metadata"].get("annotations") or {}).get(ATTEMPTS_ANNOTATION, "")
    if not text.isdigit() or not 1 <= int(text[:4]) <= 100:
        raise Problem(403, f"The pod's Job lacks the annotation {ATTEMPTS_ANNOTATION}.")
    return int(text)

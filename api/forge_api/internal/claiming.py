"""Drawing an attempt: before a budget is called spent, the pods that spent it are looked at for a disruption."""

from collections.abc import Sequence
from datetime import UTC, datetime

from forge_api.internal.identity import Runner
from forge_api.problems import Problem
from forge_api.services import Services
from forge_core.attempts import DONE, EXHAUSTED, Claim
from forge_core.cluster import NotFound, Raw, core
from forge_core.exits import FailureClass
from forge_core.history.attempts import Draw, EarlierPod, Exhausted, Succeeded
from forge_core.history.records import PodEnd
from forge_core.kube import read


async def claim(services: Services, runner: Runner, number_in_pod: int) -> Claim:
    """Raises Problem 409 `exhausted` or `done`, Fenced, HistoryUnavailable, ClusterError."""
    draw = Draw(
        job_uid=runner.job_uid,
        pod_uid=runner.pod_uid,
        pod_name=runner.pod_name,
        number_in_pod=number_in_pod,
        budget=runner.budget,
    )
    drawn = await services.attempts.claim(draw, datetime.now(UTC))
    if isinstance(drawn, Exhausted):
        refunds = await _disrupted(services, runner, drawn.pods)
        if refunds:  # the operator writes these too, but its word may not have come yet
            await services.records.pods_ended(refunds)
            drawn = await services.attempts.claim(draw, datetime.now(UTC))
    if isinstance(drawn, Succeeded):
        services.metrics.claims.labels(DONE).inc()
        raise Problem(409, f"Attempt {drawn.attempt} has succeeded, and its result is stored.", code=DONE)
    if isinstance(drawn, Exhausted):
        services.metrics.claims.labels(EXHAUSTED).inc()
        # Only the last error: it becomes the runner's last words, and the operator says the rest around it.
        raise Problem(409, drawn.last_message, code=EXHAUSTED)
    services.metrics.claims.labels("claimed").inc()
    return Claim(attempt=drawn, attempts=runner.budget)


async def _disrupted(services: Services, runner: Runner, pods: Sequence[EarlierPod]) -> list[PodEnd]:
    """Those of the pods that the cluster itself ended (condition DisruptionTarget, KEP-3329)."""
    refunds = []
    for pod in pods:
        try:
            found = await read(services.kube, core("pods", runner.namespace, pod.name))
        except NotFound:
            continue
        if found["metadata"]["uid"] != str(pod.uid):
            continue
        reason = _disruption(found)
        if reason:
            words = f"Its pod was taken away by the cluster ({reason})."
            refunds.append(PodEnd(pod.uid, runner.job_uid, FailureClass.DISRUPTION, words, datetime.now(UTC), reason))
    return refunds


def _disruption(pod: Raw) -> str:
    """The reason of the pod's condition DisruptionTarget, "" when it has none."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return str(condition.get("reason") or "DisruptionTarget")
    return ""

"""Calls of runners that came too late are noted in their job's timeline; the refusal itself never waits for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from forge_api.internal.identity import Runner
from forge_api.services import Services
from forge_core.history.database import HistoryUnavailable
from forge_core.history.notes import Refusal, What
from forge_core.logs import get_logger

log = get_logger("api.late")


@dataclass(frozen=True)
class Sent:
    """What was sent: an artefact's name, `outcome` or `claim` (then `attempt` is 0)."""

    attempt: int
    what: str


async def too_late(services: Services, runner: Runner, sent: Sent, why: str) -> None:
    """Note a call that the attempt's fence refused. Never raises."""
    what = What.CLAIM_REFUSED if sent.what == "claim" else What.UPLOAD_REFUSED
    refusal = Refusal(runner.pod_uid, runner.pod_name, sent.attempt, sent.what, why, what)
    await _note(services, runner.job_uid, refusal)


async def orphan_too_late(services: Services, pod_uid: str, path: Mapping[str, Any]) -> None:
    """Note a call of a pod whose job is gone from the cluster, found by the attempt that it once claimed."""
    attempt, name = str(path.get("attempt", "")), str(path.get("name", "outcome"))
    claims = not attempt
    try:
        known = await services.notes.job_of_pod(UUID(pod_uid))
    except (HistoryUnavailable, ValueError):
        return
    if known is None:
        return
    job_uid, pod_name = known
    number = int(attempt) if attempt.isdigit() and len(attempt) < 7 else 0
    what = What.CLAIM_REFUSED if claims else What.UPLOAD_REFUSED
    why = "the job is gone from the cluster"
    await _note(services, job_uid, Refusal(UUID(pod_uid), pod_name, number, "claim" if claims else name, why, what))


async def _note(services: Services, job_uid: UUID, refusal: Refusal) -> None:
    try:
        await services.notes.refused(job_uid, refusal, datetime.now(UTC))
    except HistoryUnavailable as error:
        log.warning("a late call could not be noted", pod=refusal.pod_name, error=str(error))

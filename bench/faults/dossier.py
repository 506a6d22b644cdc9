"""What is still to be seen of a job that broke a promise: printed with the violation, for nobody can ask later."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.faults.checking import Violation
from forge_core.cluster import analysis_jobs
from tests.e2e.forge import Forge

JOBS_TOLD: Final = 3
LINES_OF_LOG: Final = 40
_ATTEMPTS: Final = "select number, pod_uid, claimed_at, ended_at, outcome, stage from attempts where job_uid = '{}'"
_REFUNDS: Final = "select pod_uid, reason, at from refunds where job_uid = '{}'"
_ROW: Final = "select phase, attempts, completed_at, recorded_at from jobs where resource_uid = '{}'"


async def dossiers(forge: Forge, log: Path, broken: Iterable[Violation]) -> list[str]:
    """One text for each of the first JOBS_TOLD jobs that violations name by their UID."""
    items = await asyncio.to_thread(forge.kubectl.server.items, analysis_jobs(forge.tenant_namespace))
    known = {each["metadata"]["uid"]: each for each in items}
    named = list(dict.fromkeys(found.who for found in broken if found.who in known))
    return [await asyncio.to_thread(_dossier, forge, log, known[uid]) for uid in named[:JOBS_TOLD]]


def _dossier(forge: Forge, log: Path, job: dict[str, Any]) -> str:
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    told = [f"{name} ({uid})", f"  spec {json.dumps(job['spec'])}", f"  status {json.dumps(job.get('status'))}"]
    for each in (*forge.batch_jobs(name), *forge.pods(name)):
        meta = each["metadata"]
        dated = [meta["creationTimestamp"], meta.get("deletionTimestamp"), meta.get("finalizers")]
        told.append(f"  {meta['name']} {json.dumps(dated)} {json.dumps(each.get('status'))}")
    for table in (_ROW, _ATTEMPTS, _REFUNDS):
        told += [f"  {' | '.join(row)}" for row in forge.sql(table.format(uid))]
    told += [f"  log {line}" for line in _lines_about(log, name, uid)]
    return "\n".join(told)


def _lines_about(log: Path, *names: str) -> list[str]:
    """The last lines of the operator's log that name the job, and its last ones of all."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    about = [line for line in lines if any(name in line for name in names)]
    return [*about[-LINES_OF_LOG:], *lines[-5:]]

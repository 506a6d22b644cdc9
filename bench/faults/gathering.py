"""Collecting the evidence: by watches while it happens, and from the API server, PostgreSQL and Redis afterwards."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from bench.faults.evidence import Evidence, Row, Rules, SeenAttempt, SeenChild, SeenEvent, SeenJob, SeenPhase
from forge_core.cluster import Cluster, Gone, Raw, Unavailable, Unreachable, analysis_jobs, jobs
from forge_core.names import events_stream
from tests.e2e.forge import Forge

WATCH_SECONDS = 60
PAUSE = 0.5
_ROWS = """
    select json_agg(json_build_object('id', id, 'uid', resource_uid, 'phase', phase, 'attempts', attempts,
        'completed_at', completed_at, 'recorded', recorded_at is not null)) from jobs where queue = any('{%s}')
"""
_ATTEMPTS = """
    select json_agg(json_build_object('job_uid', a.job_uid, 'number', a.number, 'pod_uid', a.pod_uid,
        'claimed_at', a.claimed_at, 'ended_at', a.ended_at, 'outcome', a.outcome,
        'refunded', exists (select from refunds r where r.pod_uid = a.pod_uid), 'told', a.stage <> ''))
    from attempts a join jobs j on j.resource_uid = a.job_uid where j.queue = any('{%s}')
"""
_EVENTS = """
    select json_agg(json_build_object('id', o.id, 'job_id', o.job_id, 'type', o.type,
        'published', o.published_at is not null))
    from outbox o join jobs j on j.id = o.job_id where o.channel = 'events' and j.queue = any('{%s}')
"""


@dataclass
class Watching:
    """What came by on the watches of one namespace."""

    cluster: Cluster
    namespace: str
    phases: set[SeenPhase] = field(default_factory=set)
    children: set[SeenChild] = field(default_factory=set)
    jobs: dict[str, SeenJob] = field(default_factory=dict)

    async def keep(self) -> None:
        """Until cancelled."""
        await asyncio.gather(
            self._follow(analysis_jobs(self.namespace), self._see_job),
            self._follow(jobs(self.namespace), self._see_child),
        )

    async def _follow(self, path: str, see: Any) -> None:
        while True:
            with suppress(Gone, Unavailable, Unreachable):
                page = await self.cluster.get(path)
                for each in page["items"]:
                    see(each)
                version = page["metadata"]["resourceVersion"]
                async for event, each in self.cluster.watch(path, version, WATCH_SECONDS):
                    if event in {"ADDED", "MODIFIED"}:
                        see(each)
            await asyncio.sleep(PAUSE)

    def _see_job(self, raw: Raw) -> None:
        meta, status = raw["metadata"], raw.get("status", {})
        phase = status.get("phase", "")
        if phase:
            self.phases.add(SeenPhase(meta["uid"], int(meta["resourceVersion"]), phase))
        self.jobs[meta["uid"]] = SeenJob(
            uid=meta["uid"],
            name=meta["name"],
            queue=raw["spec"]["queue"],
            phase=phase,
            attempts=status.get("attempts", 0),
            completed_at=_time(status.get("completedAt")),
        )

    def _see_child(self, raw: Raw) -> None:
        owner = next((each["uid"] for each in raw["metadata"].get("ownerReferences", [])), "")
        created = _time(raw["metadata"]["creationTimestamp"])
        if owner and created:
            self.children.add(SeenChild(raw["metadata"]["uid"], owner, created))


async def evidence(
    watching: Watching, forge: Forge, redis: Redis | None, accepted: frozenset[str], rules: Mapping[str, Rules]
) -> Evidence:
    """All of it, at this moment; `redis` None when it was emptied."""
    queues = ",".join(rules)
    rows = await _asked(forge, _ROWS % queues)
    attempts = await _asked(forge, _ATTEMPTS % queues)
    events = await _asked(forge, _EVENTS % queues)
    tenant = forge.tenant_namespace.removeprefix("tenant-")
    return Evidence(
        accepted=accepted,
        rules=rules,
        jobs=tuple(job for job in watching.jobs.values() if job.queue in rules),
        phases=tuple(watching.phases),
        children=tuple(watching.children),
        rows=tuple(Row(**row | {"completed_at": _time(row["completed_at"])}) for row in rows),
        attempts=tuple(
            SeenAttempt(**each | {"claimed_at": _time(each["claimed_at"]), "ended_at": _time(each["ended_at"])})
            for each in attempts
        ),
        events=tuple(SeenEvent(**each) for each in events),
        read=await _read(redis, tenant) if redis is not None else None,
    )


async def _asked(forge: Forge, statement: str) -> list[dict[str, Any]]:
    ((answer,),) = await asyncio.to_thread(forge.sql, " ".join(statement.split()))
    found: list[dict[str, Any]] = json.loads(answer or "[]")
    return found


async def _read(redis: Redis, tenant: str) -> frozenset[str]:
    entries: list[Any] = await redis.xrange(events_stream(tenant)) or []
    return frozenset(fields[b"id"].decode() for _, fields in entries)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None

"""The load under which the faults come: jobs of two queues whose attempts go as their plans say."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bench.faults.evidence import Rules
from bench.faults.scene import Scene
from bench.place import analysis_job, unique
from forge_core.assignment import Backoff
from forge_core.cluster import Cluster, ClusterError, Conflict, NotFound, Raw, Refused, analysis_jobs, job_queues
from forge_core.names import API_VERSION, JOB_QUEUE_KIND
from tests.conftest import LOCAL

PLANS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "succeeds": (10, ("1/succeed/{short}",)),
    "runs for a while": (8, ("1/succeed/{long}",)),
    "fails once": (4, ("1/fail", "2/succeed/{short}")),
    "fails always": (2, ("1/fail/The rehearsed server answers 503.",)),
    "fails for good": (2, ("1/refuse",)),
    "runs out of memory once": (2, ("1/fill", "2/succeed/{short}")),
    "is killed once": (2, ("1/kill", "2/succeed/{short}")),
    "falls silent once": (1, ("1/silent", "2/succeed/{short}")),
    "hangs once": (1, ("1/hang", "2/succeed/{short}")),
}
"""What a job does, with its weight."""
CANCELLED: Final = 0.12
"""Share of the jobs that are cancelled at a random moment."""
BAD: Final = 0.05
"""Share of the submissions that the API server has to refuse."""
OPEN: Final = 12
RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Queue:
    """A queue of the load's own, with limits that are met all the time."""

    name: str
    rules: Rules
    spec: Raw


def queues(run: str) -> tuple[Queue, ...]:
    """One as analysis is, with its three attempts; one as webhooks is, with its five. Times are shorter."""
    image = (LOCAL / "rehearsal-image").read_text().strip()
    size = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    common: dict[str, Any] = {
        "jobType": "rehearsal", "image": image, "timeout": "20s", "stall": {"after": "15s", "startup": "45s"},
        "resourceClasses": {"small": size}, "defaultResourceClass": "small",
    }  # fmt: skip
    patient = Rules(4, 3, Backoff(type="exponential", delay=2), 8, timedelta(seconds=30), "rehearsal")
    eager = Rules(5, 5, Backoff(type="exponential", delay=1, max_delay=16), event_kind="rehearsal")
    return tuple(
        Queue(f"{run}-{name}", rules, common | _limits(rules))
        for name, rules in (("patient", patient), ("eager", eager))
    )


def _limits(rules: Rules) -> Raw:
    backoff = {"type": rules.backoff.type, "delay": f"{rules.backoff.delay:g}s"}
    if rules.backoff.max_delay < 3600:
        backoff["maxDelay"] = f"{rules.backoff.max_delay:g}s"
    rate = {"rateLimit": {"max": rules.starts, "per": f"{rules.per.total_seconds():g}s"}} if rules.starts else {}
    return {"concurrency": rules.concurrency, "retry": {"attempts": rules.budget, "backoff": backoff}, **rate}


@asynccontextmanager
async def made(cluster: Cluster, run: str) -> AsyncIterator[tuple[Queue, ...]]:
    """The queues are there within the block."""
    found = queues(run)
    for queue in found:
        metadata = {"name": queue.name}
        manifest = {"apiVersion": API_VERSION, "kind": JOB_QUEUE_KIND, "metadata": metadata, "spec": queue.spec}
        await cluster.create(job_queues(), manifest)
    try:
        yield found
    finally:
        for queue in found:
            await cluster.delete(job_queues(queue.name))


@dataclass
class Load:
    """Keeps some jobs open until it is told to stop. `accepted` are UIDs that the API server answered with."""

    scene: Scene
    cluster: Cluster
    queues: tuple[Queue, ...]
    chance: random.Random
    accepted: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    """UIDs that a watch showed to have ended; whoever watches adds them."""
    refused: int = 0
    wrongly_taken: int = 0
    cancelled: int = 0
    plans: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Jobs that have not ended."""
        return len(self.accepted - self.over)

    async def keep(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                if self.open < OPEN:
                    await self._submit(group)
                await asyncio.sleep(self.chance.uniform(0.05, 0.4))

    async def _submit(self, group: asyncio.TaskGroup) -> None:
        namespace = self.scene.release.tenant_namespace
        job = analysis_job(namespace, unique("f"), self.chance.choice(self.queues).name, "https://example.org/r.git")
        job["spec"]["config"] = {"paths": self._plan()}
        job["spec"]["priority"] = self.chance.randint(1, 20)
        if self.chance.random() < BAD:
            await self._offer_a_bad_one(job)
            return
        created = await self._create(job)
        self.accepted.add(created["metadata"]["uid"])
        if self.chance.random() < CANCELLED:
            group.create_task(self._cancel(created["metadata"]["name"]))

    def _plan(self) -> list[str]:
        name = self.chance.choices(list(PLANS), [weight for weight, _ in PLANS.values()])[0]
        self.plans[name] = self.plans.get(name, 0) + 1
        short, long = self.chance.uniform(0.1, 2), self.chance.uniform(4, 12)
        return [line.format(short=f"{short:.1f}", long=f"{long:.1f}") for line in PLANS[name][1]]

    async def _create(self, job: Raw) -> Raw:
        """Sent until its outcome is known: the name makes a repeat harmless."""
        path = analysis_jobs(job["metadata"]["namespace"])
        while True:
            try:
                return await self.cluster.create(path, job)
            except Conflict:
                return await self.cluster.get(analysis_jobs(job["metadata"]["namespace"], job["metadata"]["name"]))
            except ClusterError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _offer_a_bad_one(self, job: Raw) -> None:
        job["spec"] |= self.chance.choice(BAD_SPECS)
        try:
            await self.cluster.create(analysis_jobs(job["metadata"]["namespace"]), job)
        except Refused:
            self.refused += 1
        except ClusterError:
            return
        else:
            self.wrongly_taken += 1

    async def _cancel(self, name: str) -> None:
        await asyncio.sleep(self.chance.uniform(0.1, 12))
        path = analysis_jobs(self.scene.release.tenant_namespace, name)
        while True:
            try:
                await self.cluster.patch(path, {"spec": {"cancel": True}})
            except NotFound:
                return
            except ClusterError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.cancelled += 1
                return


BAD_SPECS: Final[tuple[Raw, ...]] = (
    {"priority": 0},
    {"timeout": "forever"},
    {"queue": "No Such Name"},
    {"repository": {"url": "ssh://git@example.org/r.git"}},
    {"repository": {"url": "https://user:password@example.org/r.git"}},
)

"""`make bench-throughput N=1000`: AnalysisJobs to terminal per second against bare Jobs, on simulated nodes.

`ratio` is operator and history alone: no runner runs on a simulated node. `ratio_full` adds bench/load.py, which stands
for the runners. The bare Jobs are twins of the operator's, run before and after beside the same idle services.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from bench.calibration import calibration_s
from bench.load import QUEUE as LOAD
from bench.load import Load, load
from bench.place import (
    PAUSE,
    analysis_job,
    bare_twin,
    child_of,
    cluster,
    gone,
    kubectl,
    load_of_the_machine,
    print_result,
    queue_like_analysis,
    run,
    unique,
)
from bench.simulated import NAMESPACE, NODES, RUNTIME_CLASS, TENANT, own_tenant, simulated_nodes
from forge_core.cluster import Call, Cluster, Gone, Raw, Unavailable, Unreachable, analysis_jobs, jobs
from forge_core.names import QUEUE_LABEL
from forge_core.resource import Phase

ALONE: Final = "bench-alone"
"""The queue whose pods end by themselves (kwok/stages.yaml)."""
CREATES_AT_ONCE: Final = 32
TINY: Final = {"cpu": "10m", "memory": "16Mi"}
SECONDS: Final = 1800.0
RECORD_SECONDS: Final = 300.0
WATCH_SECONDS: Final = 60
LIMIT: Final = 0.5
OFF: Final = {
    "ratio": "containers (pods are simulated by KWOK and end after 2 s), runners, uploads, progress",
    "ratio_full": "containers; bench/load.py claims, reports, uploads and tells KWOK the end for each pod",
}


@dataclass
class Count:
    """Names of a kind's objects that were seen to have ended well or badly."""

    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    @property
    def ended(self) -> int:
        """All of them."""
        return len(self.done) + len(self.failed)


@dataclass(frozen=True)
class Side:
    """One of the two things that are compared: where its objects are, which are meant, and when one has ended."""

    path: str
    selector: str
    verdict: Callable[[Raw], bool | None]
    """Of one object: True done, False failed, None under way."""
    make: Callable[[str], Raw]


def _job_verdict(job: Raw) -> bool | None:
    for condition in job.get("status", {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in {"Complete", "Failed"}:
            return bool(condition["type"] == "Complete")
    return None


def _ours_verdict(job: Raw) -> bool | None:
    phase = job.get("status", {}).get("phase")
    return phase == Phase.COMPLETED if phase and Phase(phase).terminal else None


def ours(queue: str, run: str) -> Side:
    """AnalysisJobs of one queue."""

    def make(name: str) -> Raw:
        manifest = analysis_job(NAMESPACE, name, queue, "https://example.org/nothing.git")
        manifest["metadata"]["labels"] = {"bench/run": run}
        return manifest

    return Side(analysis_jobs(NAMESPACE), f"bench/run={run}", _ours_verdict, make)


def bare(child: Raw, run: str) -> Side:
    """Twins of the operator's Job."""

    def make(name: str) -> Raw:
        manifest = bare_twin(child, name, keep=(QUEUE_LABEL,))
        manifest["metadata"]["labels"]["bench/run"] = run
        return manifest

    return Side(jobs(NAMESPACE), f"bench/run={run}", _job_verdict, make)


async def rate(cluster: Cluster, side: Side, number: int) -> tuple[float, Count]:
    """Objects to terminal per second: `number` of them, from the first create to the last end; then all are removed."""
    counting = Count()
    watching = asyncio.ensure_future(_watch(cluster, side, counting))
    slots, begun = asyncio.Semaphore(CREATES_AT_ONCE), time.monotonic()

    async def create(name: str) -> None:
        async with slots:
            await cluster.create(side.path, side.make(name))

    try:
        prefix = unique("b")
        await asyncio.gather(*(create(f"{prefix}-{n}") for n in range(number)))
        async with asyncio.timeout(SECONDS):
            while counting.ended < number:
                await asyncio.wait({watching}, timeout=PAUSE)
                if watching.done():
                    watching.result()  # it never ends but by an error
        took = time.monotonic() - begun
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return number / took, counting


async def _watch(cluster: Cluster, side: Side, counting: Count) -> None:
    """Count ends until cancelled; a watch that breaks begins anew with a list, so that none is missed."""

    def count(each: Raw) -> None:
        verdict = side.verdict(each)
        if verdict is not None:
            (counting.done if verdict else counting.failed).add(each["metadata"]["name"])

    while True:
        with suppress(Gone, Unavailable, Unreachable):
            page = await cluster.get(side.path, labelSelector=side.selector)
            for each in page["items"]:
                count(each)
            version = page["metadata"]["resourceVersion"]
            async for _, each in cluster.watch(side.path, version, WATCH_SECONDS, labelSelector=side.selector):
                count(each)


async def clear(cluster: Cluster, side: Side) -> None:
    """Remove a side's objects and wait until they and their pods are gone."""
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    await cluster.request(Call("DELETE", side.path, {"labelSelector": side.selector}, options, seconds=300))
    await gone(cluster, side.path, side.selector, SECONDS)
    await gone(cluster, f"/api/v1/namespaces/{NAMESPACE}/pods", QUEUE_LABEL, SECONDS)


async def recorded(queue: str) -> int:
    """Rows of the queue whose end the operator has recorded."""
    where = f"tenant = '{TENANT}' and queue = '{queue}' and recorded_at is not null"
    return int(await sql(f"select count(*) from jobs where {where}"))


async def sql(statement: str) -> str:
    """The answer of the embedded PostgreSQL."""
    program = ("psql", "-h", "/tmp", "-U", "forge", "-d", "forge", "-tAq", "-c", statement)
    return (await kubectl("-n", "forge-jobs", "exec", "-i", "forge-postgres-0", "--", *program)).strip()


async def forget_rows() -> None:
    """Remove what this tenant left in the history."""
    mine = f"(select resource_uid from jobs where tenant = '{TENANT}')"
    await sql(
        f"delete from artifacts where job_uid in {mine}; delete from attempts where job_uid in {mine};"
        f"delete from outbox where tenant = '{TENANT}'; delete from jobs where tenant = '{TENANT}'"
    )


@dataclass
class Bench:
    """The run's course and what it found."""

    cluster: Cluster
    number: int
    result: dict[str, Any] = field(default_factory=dict)

    async def bare(self, child: Raw) -> float:
        """Bare Jobs per second."""
        side = bare(child, unique("bare"))
        found, counting = await rate(self.cluster, side, self.number)
        assert not counting.failed, f"{len(counting.failed)} bare Jobs failed"
        await clear(self.cluster, side)
        print(f"bare Jobs: {found:.1f} a second", flush=True)
        return found

    async def ours(self, queue: str, also: Callable[[], Awaitable[None]] | None = None) -> float:
        """AnalysisJobs per second, once all of them are recorded in the history."""
        before = await recorded(queue)
        side = ours(queue, unique("ours"))
        found, counting = await rate(self.cluster, side, self.number)
        ended = time.monotonic()
        async with asyncio.timeout(RECORD_SECONDS):
            while await recorded(queue) - before < self.number:
                await asyncio.sleep(PAUSE)
        late = time.monotonic() - ended
        self.result[queue] = {
            "per_second": round(found, 2),
            "completed": len(counting.done),
            "failed": len(counting.failed),
            "all_recorded_after_s": round(late, 1),
        }
        if also:
            await also()
        await clear(self.cluster, side)
        print(f"AnalysisJobs of {queue}: {found:.1f} a second, recorded {late:.1f} s later", flush=True)
        return found

    async def full(self, redis_password: str) -> float:
        """The same with the load generator as runners."""
        async with load(self.cluster, redis_password) as runners:

            async def note() -> None:
                self.result["load"] = _told(runners)

            return await self.ours(LOAD, note)


def _told(runners: Load) -> dict[str, Any]:
    return {
        "served": runners.served,
        "failed": len(runners.failed),
        "first_failure": runners.failed[0] if runners.failed else "",
        "unreported": runners.unreported,
    }


async def pattern(cluster: Cluster) -> Raw:
    """The operator's Job for one AnalysisJob, as the bare ones' pattern; this one also warms the path."""
    side = ours(ALONE, unique("pattern"))
    created = await cluster.create(side.path, side.make(unique("pattern")))
    child = await child_of(cluster, created)
    await clear(cluster, side)
    return child


async def measure(number: int) -> dict[str, Any]:
    """Bare, ours, ours with load, bare."""
    size = {"requests": TINY, "limits": TINY, "runtimeClassName": RUNTIME_CLASS}
    changes = {"concurrency": number, "resourceClasses": {"tiny": size}, "defaultResourceClass": "tiny"}
    async with AsyncExitStack() as stack:
        connected = await stack.enter_async_context(cluster())
        stack.push_async_callback(forget_rows)
        await stack.enter_async_context(simulated_nodes(connected))
        password = await stack.enter_async_context(own_tenant(connected))
        for queue in (ALONE, LOAD):
            await stack.enter_async_context(queue_like_analysis(connected, queue, **changes))
        bench, child = Bench(connected, number), await pattern(connected)
        first = await bench.bare(child)
        alone = await bench.ours(ALONE)
        full = await bench.full(password)
        bares = (first, await bench.bare(child))
    beside = sum(bares) / len(bares)
    return {
        "benchmark": "throughput",
        "ratio": round(alone / beside, 3),
        "ratio_full": round(full / beside, 3),
        "limit": LIMIT,
        "bare_per_second": [round(each, 2) for each in bares],
        **bench.result,
        "n": number,
        "simulated_nodes": NODES,
        "off": OFF,
    }


def main() -> None:
    """Print progress, then the JSON. N is how many jobs each side gets."""
    result = run(measure(int(os.environ.get("N", "1000"))))
    print_result({**result, "calibration_s": calibration_s(), **load_of_the_machine()})


if __name__ == "__main__":
    main()

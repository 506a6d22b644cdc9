"""What is compared: AnalysisJobs beside bare Jobs, made at once, counted by their own word, and taken away."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bench.place import PAUSE, analysis_job, bare_twin, child_of, gone, unique
from bench.simulated import NAMESPACE
from forge_core.cluster import Call, Cluster, Gone, Raw, Unavailable, Unreachable, analysis_jobs, jobs
from forge_core.names import QUEUE_LABEL
from forge_core.phase import Phase

CREATES_AT_ONCE: Final = 32
SECONDS: Final = 1800.0
WATCH_SECONDS: Final = 60


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


async def pattern(cluster: Cluster, queue: str) -> Raw:
    """The operator's Job for one AnalysisJob, as the bare ones' pattern; this one also warms the path."""
    side = ours(queue, unique("pattern"))
    created = await cluster.create(side.path, side.make(unique("pattern")))
    child = await child_of(cluster, created)
    await clear(cluster, side)
    return child

"""`make bench-latency`: from apply to the runner's first line, an AnalysisJob against a bare Job, taken in turns.

The bare Job is a twin of the one that the operator makes: same image, command, volumes, size, priority. The end of each
interval is the container runtime's own time of the first line; the clock of kind's nodes is this machine's.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bench.calibration import calibration_s
from bench.place import (
    PAUSE,
    TENANT_NAMESPACE,
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
from forge_core.cluster import Cluster, NotFound, Raw, analysis_jobs, core, jobs
from forge_core.names import JOB_UID_LABEL

ROUNDS: Final = 20
FIRST_LINE: Final = "runner started"
NOWHERE: Final = "http://git-server.git.svc/bench-latency-none.git"
"""A repository that isn't there: the first line is all that is looked at."""
LIMIT: Final = 1.25


@dataclass(frozen=True)
class Lap:
    """One measured start."""

    begun: float
    path: str
    """Of the object that was created."""
    selector: str
    """Of its pods."""


@dataclass
class Bench:
    """Measures both sides in one namespace."""

    cluster: Cluster
    queue: str
    twin: Raw = field(default_factory=dict)

    async def prepare(self) -> None:
        """One AnalysisJob that isn't counted: it warms the path, and its Job is the bare one's pattern."""
        created = await self.cluster.create(analysis_jobs(TENANT_NAMESPACE), self._job())
        self.twin = await child_of(self.cluster, created)
        selector = f"{JOB_UID_LABEL}={created['metadata']['uid']}"
        lap = Lap(time.time(), analysis_jobs(TENANT_NAMESPACE, created["metadata"]["name"]), selector)
        await self._finish(lap)
        await self.bare()

    def _job(self) -> Raw:
        return analysis_job(TENANT_NAMESPACE, unique("bench"), self.queue, NOWHERE)

    async def ours(self) -> float:
        """Seconds from apply to the first line, of an AnalysisJob."""
        manifest, begun = self._job(), time.time()
        created = await self.cluster.create(analysis_jobs(TENANT_NAMESPACE), manifest)
        path = analysis_jobs(TENANT_NAMESPACE, manifest["metadata"]["name"])
        return await self._finish(Lap(begun, path, f"{JOB_UID_LABEL}={created['metadata']['uid']}"))

    async def bare(self) -> float:
        """The same of a bare Job."""
        name = unique("bench-bare")
        manifest, begun = bare_twin(self.twin, name), time.time()
        await self.cluster.create(jobs(TENANT_NAMESPACE), manifest)
        return await self._finish(Lap(begun, jobs(TENANT_NAMESPACE, name), f"bench/twin={name}"))

    async def _finish(self, lap: Lap) -> float:
        """The first line's time; then everything is removed, so that the next lap begins on a quiet cluster."""
        try:
            async with asyncio.timeout(120):
                return await self._first_line(lap.selector) - lap.begun
        finally:
            with suppress(NotFound):
                await self.cluster.delete(lap.path)
            await gone(self.cluster, core("pods", TENANT_NAMESPACE), lap.selector)

    async def _first_line(self, selector: str) -> float:
        """Seconds since the epoch at which the runtime saw the line."""
        while True:
            pods = (await self.cluster.get(core("pods", TENANT_NAMESPACE), labelSelector=selector))["items"]
            if pods and pods[0]["status"]["phase"] != "Pending":
                text = await kubectl(
                    "-n", TENANT_NAMESPACE, "logs", pods[0]["metadata"]["name"], "--timestamps", check=False
                )
                for line in text.splitlines():
                    moment, _, said = line.partition(" ")
                    if said.startswith(FIRST_LINE):
                        return datetime.fromisoformat(moment).timestamp()
            await asyncio.sleep(PAUSE)


async def measure(rounds: int) -> dict[str, Any]:
    """Both sides `rounds` times, which goes first changing with each round."""
    laps: dict[str, list[float]] = {"ours": [], "bare": []}
    async with cluster() as connected, queue_like_analysis(connected, unique("bench-latency")) as queue:
        bench = Bench(connected, queue)
        await bench.prepare()
        for number in range(rounds):
            order = ("ours", "bare") if number % 2 else ("bare", "ours")
            for side in order:
                laps[side].append(await (bench.ours() if side == "ours" else bench.bare()))
            print(f"round {number + 1}: ours {laps['ours'][-1]:.2f} s, bare {laps['bare'][-1]:.2f} s", flush=True)
    ours, bare = statistics.median(laps["ours"]), statistics.median(laps["bare"])
    return {
        "benchmark": "latency",
        "ratio": round(ours / bare, 3),
        "limit": LIMIT,
        "ours_s": round(ours, 3),
        "bare_s": round(bare, 3),
        "ours_p90_s": round(statistics.quantiles(laps["ours"], n=10)[-1], 3),
        "bare_p90_s": round(statistics.quantiles(laps["bare"], n=10)[-1], 3),
        "rounds": rounds,
        "what": "apply to the runner's first line, median; the bare Job is a twin with the same image and pod spec",
    }


def main() -> None:
    """Print progress, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    result = run(measure(parser.parse_args().rounds))
    print_result({**result, "calibration_s": calibration_s(), **load_of_the_machine()})


if __name__ == "__main__":
    main()

"""`make bench-throughput N=1000`: AnalysisJobs to terminal per second against bare Jobs, on simulated nodes.

`ratio` is operator and history alone: no runner runs on a simulated node. `ratio_full` adds bench/load.py, which stands
for the runners. The bare Jobs are twins of the operator's, run before and after beside the same idle services.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from bench.calibration import calibration_s
from bench.history import all_recorded, forget_rows, recorded
from bench.load import QUEUE as LOAD
from bench.load import Load, load
from bench.place import cluster, load_of_the_machine, print_result, queue_like_analysis, run, unique
from bench.processors import times, used
from bench.seen import reading
from bench.sides import bare, clear, ours, pattern, rate
from bench.simulated import NODES, own_tenant, simulated_nodes, tiny
from forge_core.cluster import Cluster, Raw

ALONE: Final = "bench-alone"
"""The queue whose pods end by themselves (kwok/stages.yaml)."""
LIMIT: Final = 0.6
OFF: Final = {
    "ratio": "containers (pods are simulated by KWOK and end after 2 s), runners, uploads, progress",
    "ratio_full": "containers; bench/load.py claims, reports, uploads and tells KWOK the end for each pod",
}


@dataclass
class Bench:
    """The run's course and what it found."""

    cluster: Cluster
    number: int
    result: dict[str, Any] = field(default_factory=dict)

    async def bare(self, child: Raw) -> float:
        """Bare Jobs per second."""
        side, before = bare(child, unique("bare")), times()
        found, counting = await rate(self.cluster, side, self.number)
        self.result["bare"] = {"processor_ms_per_job": used(before, times(), self.number)}
        assert not counting.failed, f"{len(counting.failed)} bare Jobs failed"
        await clear(self.cluster, side)
        print(f"bare Jobs: {found:.1f} a second", flush=True)
        return found

    async def ours(self, queue: str, also: Callable[[], Awaitable[None]] | None = None) -> float:
        """AnalysisJobs per second, once all of them are recorded in the history."""
        before, seen, busy = await recorded(queue), await reading(self.cluster), times()
        side = ours(queue, unique("ours"))
        found, counting = await rate(self.cluster, side, self.number)
        late = await all_recorded(queue, before + self.number)
        self.result[queue] = {
            "per_second": round(found, 2),
            "completed": len(counting.done),
            "failed": len(counting.failed),
            "all_recorded_after_s": round(late, 1),
            **(await reading(self.cluster)).since(seen, self.number),
            "processor_ms_per_job": used(busy, times(), self.number),
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


async def measure(number: int) -> dict[str, Any]:
    """Bare, ours, ours with load, bare."""
    async with AsyncExitStack() as stack:
        connected = await stack.enter_async_context(cluster())
        stack.push_async_callback(forget_rows)
        await stack.enter_async_context(simulated_nodes(connected))
        password = await stack.enter_async_context(own_tenant(connected))
        for queue in (ALONE, LOAD):
            await stack.enter_async_context(queue_like_analysis(connected, queue, **tiny(number)))
        bench, child = Bench(connected, number), await pattern(connected, ALONE)
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
        "cpu_ms_per_job": bench.result[ALONE]["cpu_ms_per_job"],
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

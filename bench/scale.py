"""`make bench-scale N=10000`: N AnalysisJobs at once on simulated nodes, with an urgent one and a restart at the peak.

The queue has the concurrency and the rate of values-large.yaml. A crowd of a tenth (at most 1,000) goes before: the
rates are compared. Caps, order and doubles are checked from the API server's objects.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from bench.auditing import held, made_twice, most_at_once, shares
from bench.calibration import calibration_s
from bench.crowd import Crowd
from bench.history import all_recorded, forget_rows, recorded
from bench.place import (
    PAUSE,
    RELEASE_NAMESPACE,
    ROOT,
    cluster,
    gone,
    kubectl,
    load_of_the_machine,
    print_result,
    queue_like_analysis,
    run,
)
from bench.seen import Reading, leader, reading
from bench.simulated import NODES, PODS_A_NODE, namespace_of, own_tenant, simulated_nodes, tiny
from forge_core.cluster import Call, Cluster, ClusterError, Raw, analysis_jobs, core, jobs
from forge_core.names import QUEUE_LABEL
from forge_core.phase import Phase
from forge_core.resource import LOWEST_PRIORITY

QUEUE: Final = "bench-scale"
LARGE: Final = ("bench-large-1", "bench-large-2")
SMALL: Final = "bench-small"
BACKLOG: Final = 20
"""Jobs of each tenant that wait at the peak: those of the large ones came first and are as urgent as can be."""
FILL_SECONDS, DRAIN_SECONDS, CLEAR_SECONDS = 1200.0, 900.0, 900.0
STEP_SECONDS: Final = 120.0
FEW: Final = 1000
PART: Final = 500
DECISIONS: Final = 3
_OPTIONS: Final[Raw] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
OPERATOR_CPU: Final = "500m"
"""What a node of two cores can promise of the 2 that values-large.yaml gives the operator."""
LIMITS: Final = {"rss_mb": 250, "rate_ratio": 0.75, "urgent_s": 2.0, "restart_s": 20.0}
_OPERATOR: Final = "app.kubernetes.io/name=forge-jobs,app.kubernetes.io/component=operator"


@dataclass
class Bench:
    """The run's course and what it found."""

    cluster: Cluster
    number: int
    result: dict[str, Any] = field(default_factory=dict)
    rss_mb: float = 0.0
    most: int = 0
    twice: int = 0
    last: Crowd | None = None

    async def look(self) -> Reading:
        """The operator's metrics; its memory is remembered when it is the most so far."""
        seen = await reading(self.cluster)
        self.rss_mb = max(self.rss_mb, seen.rss_mb)
        return seen

    async def crowd(self, number: int, at_the_peak: bool) -> dict[str, Any]:
        """So many jobs until all run at once, then until all are over; answers the rate and what a job cost."""
        async with Crowd(self.cluster, QUEUE).watched() as crowd:
            before, rows = await self.look(), await recorded(QUEUE)
            up = await self._fill(crowd, number)
            full = await self.look()
            print(f"{number} run after {up:.0f} s; the operator holds {full.rss_mb} MB", flush=True)
            if at_the_peak:
                await self._peak(crowd)
            down = await self._drain(crowd)
            late = await all_recorded(QUEUE, rows + len(crowd.uids))
            await self.look()
            await self._audit(crowd)
            print(f"all over after {down:.0f} s, recorded {late:.1f} s later", flush=True)
            found = {
                "per_second": round(number / (up + down), 2),
                "up_s": round(up, 1),
                "down_s": round(down, 1),
                "all_recorded_after_s": round(late, 1),
                "submitted": len(crowd.uids),
                "completed": crowd.count(Phase.COMPLETED),
                "failed": crowd.count(Phase.FAILED),
                "while_filling": full.since(before, number),
            }
        self.last = crowd
        return found

    async def _fill(self, crowd: Crowd, number: int) -> float:
        begun = time.monotonic()
        await crowd.submit(shares(number, LARGE, SMALL))
        await crowd.until(lambda: crowd.count(Phase.RUNNING) == number, FILL_SECONDS, f"{number} run at once")
        return time.monotonic() - begun

    async def _drain(self, crowd: Crowd) -> float:
        crowd.leave()
        return await crowd.until(lambda: len(crowd.ended) == len(crowd.uids), DRAIN_SECONDS, "all are over")

    # --- at the peak ---

    async def _peak(self, crowd: Crowd) -> None:
        waiting = await crowd.submit([tenant for tenant in LARGE for _ in range(BACKLOG)], priority=1)
        waiting += await crowd.submit([SMALL] * BACKLOG, priority=LOWEST_PRIORITY)
        await self._until_told(crowd, waiting)
        await self._urgent(crowd)
        await self._restart(crowd)

    async def _until_told(self, crowd: Crowd, names: list[str]) -> None:
        await crowd.until(lambda: all(crowd.told.get(name) for name in names), STEP_SECONDS, "the waiting are told why")

    async def _restart(self, crowd: Crowd) -> None:
        await self._audit(crowd)
        before, began = await leader(self.cluster), time.monotonic()
        await self.cluster.delete(core("pods", RELEASE_NAMESPACE, before))
        ready: set[str] = set()

        async def look() -> None:
            pods = (await self.cluster.get(core("pods", RELEASE_NAMESPACE), labelSelector=_OPERATOR))["items"]
            ready.update(pod["metadata"]["name"] for pod in pods if _is_ready(pod))
            ready.discard(before)

        await _poll(look, lambda: bool(ready), "the new operator is ready")
        restart = time.monotonic() - began
        seen = Reading()

        async def decide() -> None:
            nonlocal seen
            with suppress(RuntimeError, ClusterError):
                if await leader(self.cluster) in ready:
                    seen = await self.look()

        await _poll(decide, lambda: seen.decisions >= DECISIONS, "the new operator decides")
        self.result |= {
            "restart_s": round(restart, 1),
            "decides_again_s": round(time.monotonic() - began, 1),
            "picture": {kind: round(count) for kind, count in seen.objects.items()},
        }
        await self._audit(crowd)
        print(f"restarted: picture whole after {restart:.1f} s", flush=True)

    async def _urgent(self, crowd: Crowd) -> None:
        """A slot that is freed after the urgent job's submission is the urgent job's."""
        [name] = await crowd.submit([SMALL], priority=1)
        await self._until_told(crowd, [name])
        made = set(crowd.started)
        told = time.monotonic()
        over = await crowd.end_one(LARGE[0])
        await crowd.until(lambda: bool(crowd.started.keys() - made), STEP_SECONDS, "a freed slot is taken")
        first = min(crowd.started.keys() - made, key=lambda uid: crowd.started[uid])
        freed = next(name for name, uid in crowd.uids.items() if uid == over)
        await crowd.until(lambda: freed in crowd.ended, STEP_SECONDS, f"{freed} is over")
        self.result |= {
            "urgent_first": first == crowd.uids[name],
            "urgent_s": round(max(crowd.started[first] - crowd.ended[freed], 0.0), 2),
            "from_the_pods_end_s": round(crowd.started[first] - told, 2),
        }
        print(f"the urgent job's Job came {self.result['urgent_s']} s after the slot was free", flush=True)

    # --- checks, and the end ---

    async def _audit(self, crowd: Crowd) -> None:
        """Doubles and caps as the API server's objects tell them."""
        ours, made = await crowd.objects(analysis_jobs()), await crowd.objects(jobs())
        self.twice = max(self.twice, made_twice(made, await crowd.objects(core("pods"))))
        self.most = max(self.most, most_at_once(held(ours, made)))

    async def clear(self) -> None:
        """Remove the last crowd in parts: a deletion of thousands would outlast the API server's patience."""
        label = f"bench/run={self.last.run}" if self.last else ""
        for path in (analysis_jobs(namespace_of(tenant)) for tenant in (*LARGE, SMALL)):
            while (await self.cluster.get(path, labelSelector=label, limit=1))["items"]:
                query: dict[str, str | int] = {"labelSelector": label, "limit": PART}
                await self.cluster.request(Call("DELETE", path, query, _OPTIONS, seconds=STEP_SECONDS))
        for path in (jobs(), core("pods")):
            await gone(self.cluster, path, f"{QUEUE_LABEL}={QUEUE}", CLEAR_SECONDS)


def _is_ready(pod: Raw) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def _poll(look: Callable[[], Awaitable[None]], reached: Callable[[], bool], what: str) -> None:
    begun = time.monotonic()
    while not reached():
        if time.monotonic() - begun > STEP_SECONDS:
            raise RuntimeError(f"not within {STEP_SECONDS:g} s: {what}")
        await look()
        await asyncio.sleep(PAUSE)


@asynccontextmanager
async def sure_of_its_processor() -> AsyncIterator[None]:
    """The operator is promised OPERATOR_CPU: values-local.yaml's 50m is a twentieth of it when others compute too."""
    deployment, where = "deployment/forge-operator", ("-n", RELEASE_NAMESPACE)
    requests = "jsonpath={.spec.template.spec.containers[0].resources.requests.cpu}"
    usual = await kubectl(*where, "get", deployment, "-o", requests)

    async def promised(cpu: str) -> None:
        await kubectl(*where, "set", "resources", deployment, f"--requests=cpu={cpu}")
        await kubectl(*where, "rollout", "status", deployment, "--timeout=120s")

    await promised(OPERATOR_CPU)
    try:
        yield
    finally:
        await promised(usual)


def large_limits() -> dict[str, Any]:
    """The rate of the queue `analysis` in the chart's values-large.yaml."""
    values = yaml.safe_load((ROOT / "helm/forge-jobs/values-large.yaml").read_text())
    return {"rateLimit": values["queues"]["analysis"]["rateLimit"]}


def verdict(result: dict[str, Any], number: int) -> dict[str, bool]:
    """What was promised, and whether it held."""
    return {
        "rss_mb": result["rss_mb"] < LIMITS["rss_mb"],
        "rate_ratio": result["rate_ratio"] >= LIMITS["rate_ratio"],
        "urgent_s": result["urgent_first"] and result["urgent_s"] <= LIMITS["urgent_s"],
        "restart_s": result["restart_s"] < LIMITS["restart_s"],
        "caps": result["most_at_once"] <= number,
        "once": result["made_twice"] == 0,
        "all_completed": all(
            result[size]["completed"] == result[size]["submitted"] and not result[size]["failed"]
            for size in ("few", "many")
        ),
    }


async def measure(number: int) -> dict[str, Any]:
    """A tenth first, then all of them, with what happens at the peak."""
    # No runner beats on a simulated node, and the peak lasts longer than any job's promise.
    patient = {"stall": {"after": "1h"}, "sla": {"limit": "24h"}, "timeout": "1h"}
    changes = tiny(number + FEW) | large_limits() | patient | {"concurrency": number}
    result: dict[str, Any] = {}
    try:
        async with AsyncExitStack() as stack:
            connected = await stack.enter_async_context(cluster())
            stack.push_async_callback(forget_rows, (*LARGE, SMALL))
            await stack.enter_async_context(sure_of_its_processor())
            await stack.enter_async_context(simulated_nodes(connected))
            for tenant in (*LARGE, SMALL):
                await stack.enter_async_context(own_tenant(connected, tenant, CLEAR_SECONDS))
            await stack.enter_async_context(queue_like_analysis(connected, QUEUE, **changes))
            result = await _found(Bench(connected, number))
    except TimeoutError:
        if not result:
            raise
        result["left_behind"] = "not everything was gone in time"
    return result


async def _found(bench: Bench) -> dict[str, Any]:
    few = await bench.crowd(max(1, min(FEW, bench.number // 10)), at_the_peak=False)
    await bench.clear()
    many = await bench.crowd(bench.number, at_the_peak=True)
    result = {
        "benchmark": "scale",
        "n": bench.number,
        "rss_mb": bench.rss_mb,
        "rate_ratio": round(many["per_second"] / few["per_second"], 3),
        **bench.result,
        "most_at_once": bench.most,
        "made_twice": bench.twice,
        "few": few,
        "many": many,
        "limits": LIMITS,
        "simulated_nodes": NODES,
        "operator_cpu": OPERATOR_CPU,
    }
    return result | {"within": verdict(result, bench.number)}


def main() -> None:
    """Print progress, then the JSON. N is how many run at once."""
    number = int(os.environ.get("N", "10000"))
    if number + 3 * BACKLOG + 1 > NODES * PODS_A_NODE:
        raise SystemExit(f"N may be at most {NODES * PODS_A_NODE - 3 * BACKLOG - 1}: there are no nodes for more pods")
    result = run(measure(number))
    print_result({**result, "calibration_s": calibration_s(), **load_of_the_machine()})


if __name__ == "__main__":
    main()

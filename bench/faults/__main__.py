"""`make bench-faults [SEED=n] [QUICK=20] [SLOW=3]`: the promises under faults, checked by bench.faults.checking.

A run that was broken off goes on where it was: `.local/faults-<seed>` notes the rounds that have ended.
"""

import asyncio
import base64
import json
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from bench.faults.checking import TERMINAL, violations
from bench.faults.evidence import Evidence
from bench.faults.faults import FAULTS, bring
from bench.faults.gathering import Watching, evidence
from bench.faults.load import Load, made
from bench.faults.plan import Round, rounds
from bench.faults.scene import Scene
from bench.faults.weather import WeatherProxy
from bench.place import KUBECONFIG, load_of_the_machine, print_result, run, unique
from forge_core.cluster import Cluster
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import Forge
from tests.e2e.host_operator import Ways, api_server, exposed, host_operator
from tests.e2e.release import LOCAL_VALUES, Release, second_release

INSTALLATION: Final = "faults"
SETTLE_SECONDS: Final = 300.0
PAUSE: Final = 0.5


def times(quick: int, slow: int) -> dict[str, int]:
    """How often each fault is brought about alone, and as often with the operator killed within it."""
    return {name: quick if fault.quick else slow for name, fault in FAULTS.items()}


async def measure(seed: int, quick: int, slow: int) -> dict[str, Any]:
    """The whole run: install, load, faults, and what the checker says."""
    kubectl = Kubectl(KUBECONFIG)
    programs = {"operator": LOCAL_VALUES["operator"] | {"replicas": 0}, "crds": {"apply": False}}
    with (
        tempfile.TemporaryDirectory() as folder,
        second_release(kubectl, INSTALLATION, Path(folder), **programs) as release,
    ):
        await asyncio.to_thread(release.upgrade)
        async with Cluster.connect(str(KUBECONFIG)) as cluster, scene(release, Path(folder), seed) as stage:
            return await _course(stage, cluster, seed, rounds(seed, times(quick, slow)))


@asynccontextmanager
async def scene(release: Release, folder: Path, seed: int) -> AsyncIterator[Scene]:
    """An operator behind the weather, and a connection to its Redis as the one who may do everything."""
    proxy = WeatherProxy(*api_server(release.kubectl), random.Random(seed))
    place = exposed(release, "forge-redis", 6379)
    secret = release.secrets()[f"{release.namespace}/forge-redis-users"]
    password = _decoded(secret["operator-password"])
    patient = Retry(ConstantBackoff(1.0), 60)  # it is restarted in the run
    redis = Redis(host=place.host, port=place.port, username="operator", password=password, retry=patient)
    async with proxy.running(), redis:
        with host_operator(release, folder, Ways(proxy.port)) as operator:
            await asyncio.to_thread(operator.start)
            yield Scene(release, operator, proxy, redis, random.Random(seed + 1))


async def _course(stage: Scene, cluster: Cluster, seed: int, plan: list[Round]) -> dict[str, Any]:
    name, begun = unique("f"), time.monotonic()
    async with made(cluster, name) as queues:
        load = Load(stage, cluster, queues, random.Random(seed + 2))
        watching = Watching(cluster, stage.release.tenant_namespace)
        tasks = [asyncio.ensure_future(work) for work in (watching.keep(), load.keep(), _mark(watching, load))]
        try:
            brought = await _rounds(stage, seed, plan)
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)
            found, settled = await _settled(stage, watching, load)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    broken = violations(found)
    for each in broken[:20]:
        print(f"VIOLATION {each.check} {each.who}: {each.sentence}", flush=True)
    phases: dict[str, int] = {}
    for job in found.jobs:
        phases[job.phase] = phases.get(job.phase, 0) + 1
    return {
        "violations": len(broken) + load.wrongly_taken, "faults": brought, "seed": seed, "jobs": len(load.accepted),
        "phases": phases, "attempts": len(found.attempts), "refused_manifests": load.refused,
        "operator_kills": stage.kills, "touched_by_weather": stage.proxy.weather.met, "plans": load.plans,
        "settle_s": round(settled, 1), "took_s": round(time.monotonic() - begun), **load_of_the_machine(),
    }  # fmt: skip


async def _rounds(stage: Scene, seed: int, plan: list[Round]) -> dict[str, int]:
    note, brought = LOCAL / f"faults-{seed}", dict.fromkeys(FAULTS, 0)
    done = json.loads(note.read_text()) if note.exists() else 0
    for each in plan[done:]:
        paired = " with the operator killed" if each.kill_after is not None else ""
        print(f"{each.number + 1} of {len(plan)}: {each.fault}{paired}", flush=True)
        await bring(stage, each)
        brought[each.fault] += 1
        note.write_text(json.dumps(each.number + 1))
    note.unlink(missing_ok=True)
    return brought


async def _mark(watching: Watching, load: Load) -> None:
    while True:
        load.over |= {uid for uid, job in watching.jobs.items() if job.phase in TERMINAL}
        await asyncio.sleep(PAUSE)


async def _settled(stage: Scene, watching: Watching, load: Load) -> tuple[Evidence, float]:
    """The evidence once everything is over and recorded, or as it is after SETTLE_SECONDS; and how long that took."""
    forge = Forge(stage.kubectl, "", "", stage.release.namespace, stage.release.tenant_namespace)
    rules = {queue.name: queue.rules for queue in load.queues}
    begun = time.monotonic()
    while True:
        redis = None if stage.redis_was_emptied else stage.redis
        with suppress(AssertionError):
            found = await evidence(watching, forge, redis, frozenset(load.accepted), rules)
            if not violations(found) or time.monotonic() - begun > SETTLE_SECONDS:
                return found, time.monotonic() - begun
        await asyncio.sleep(5 * PAUSE)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


if __name__ == "__main__":
    given = os.environ
    result = run(measure(int(given.get("SEED") or time.time()), int(given["QUICK"]), int(given["SLOW"])))
    print_result(result)
    raise SystemExit(1 if result["violations"] else 0)

"""`make bench-faults [SEED=n] [QUICK=20] [SLOW=3]`: the promises under faults, checked by bench.faults.checking.

It goes in legs (bench.faults.account): after each the load runs out and everything is checked. A run that was broken
off goes on with the first leg that wasn't: a file in `.local` has the results of those that were.
"""

import asyncio
import base64
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from bench.faults.account import Account, total
from bench.faults.checking import TERMINAL, violations
from bench.faults.dossier import dossiers
from bench.faults.evidence import Evidence
from bench.faults.faults import APART, FAULTS, SLOW, bring
from bench.faults.gathering import Watching, evidence
from bench.faults.load import Load, made
from bench.faults.plan import Round, rounds, turns
from bench.faults.scene import Scene
from bench.faults.weather import WeatherProxy
from bench.place import KUBECONFIG, load_of_the_machine, print_result, run, unique
from forge_core.cluster import Cluster
from tests.conftest import LOCAL, Kubectl
from tests.e2e.host_operator import Ways, host_operator
from tests.e2e.release import LOCAL_VALUES, Release, second_release
from tests.services.api_server import server_of

INSTALLATION: Final = "faults"
SETTLE_SECONDS: Final = 420.0
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
            account = Account(LOCAL / f"faults-{seed}-{quick}-{slow}.json")
            for leg in account.left(rounds(seed, times(quick, slow))):
                found = await _leg(stage, cluster, seed, leg)
                if found["violations"]:
                    return total([*account.legs(), found])  # the same seed begins with this leg
                account.add(found)
            result = total(account.legs())
            account.close()
            return result


@asynccontextmanager
async def scene(release: Release, folder: Path, seed: int) -> AsyncIterator[Scene]:
    """An operator behind the weather, and a connection to its Redis as the one who may do everything."""
    proxy = WeatherProxy(*server_of(release.kubectl.kubeconfig), random.Random(seed))
    place = release.exposed("forge-redis", 6379)
    secret = release.secrets()[f"{release.namespace}/forge-redis-users"]
    password = _decoded(secret["operator-password"])
    patient = Retry(ConstantBackoff(1.0), 60)  # it is restarted in the run
    redis = Redis(host=place.host, port=place.port, username="operator", password=password, retry=patient)
    async with proxy.running(), redis:
        with host_operator(release, folder, Ways(proxy.port)) as operator:
            await asyncio.to_thread(operator.start)
            yield Scene(release, operator, proxy, redis, random.Random(seed + 1))


async def _leg(stage: Scene, cluster: Cluster, seed: int, plan: list[Round]) -> dict[str, Any]:
    name, begun = unique("f"), time.monotonic()
    stage.redis_was_emptied, kills, met = False, stage.kills, stage.proxy.weather.met
    async with made(cluster, name) as queues:
        load = Load(stage, cluster, queues, random.Random(seed + 2 + plan[0].number))
        watching = Watching(cluster, stage.release.tenant_namespace)
        tasks = [asyncio.ensure_future(work) for work in (watching.keep(), load.keep(), _mark(watching, load))]
        try:
            await _rounds(stage, plan)
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)
            found, settled = await _settled(stage, watching, load)
            broken = violations(found)
            told = await dossiers(stage.forge, stage.operator.log, broken)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for each in broken[:20]:
        print(f"VIOLATION {each.check} {each.who}: {each.sentence}", flush=True)
    for dossier in told:
        print(dossier, flush=True)
    took = round(time.monotonic() - begun)
    print(f"checked {len(load.accepted)} jobs after {took} s: {len(broken)} violations", flush=True)
    return {
        "violations": len(broken) + load.wrongly_taken, "rounds": len(plan), "jobs": len(load.accepted),
        "faults": dict(Counter(each.fault for each in plan)), "phases": dict(Counter(job.phase for job in found.jobs)),
        "attempts": len(found.attempts), "refused_manifests": load.refused, "operator_kills": stage.kills - kills,
        "touched_by_weather": stage.proxy.weather.met - met, "plans": load.plans,
        "settle_s": round(settled, 1), "took_s": took,
    }  # fmt: skip


async def _rounds(stage: Scene, plan: list[Round]) -> None:
    for turn in turns(plan, SLOW, APART):
        async with asyncio.TaskGroup() as group:
            group.create_task(_round(stage, turn.first))
            for each in turn.beside:
                await _round(stage, each)


async def _round(stage: Scene, each: Round) -> None:
    paired = " with the operator killed" if each.kill_after is not None else ""
    print(f"{each.number + 1}: {each.fault}{paired}", flush=True)
    await bring(stage, each)


async def _mark(watching: Watching, load: Load) -> None:
    while True:
        load.over |= {uid for uid, job in watching.jobs.items() if job.phase in TERMINAL}
        await asyncio.sleep(PAUSE)


async def _settled(stage: Scene, watching: Watching, load: Load) -> tuple[Evidence, float]:
    """The evidence once everything is over and recorded, or as it is after SETTLE_SECONDS; and how long that took."""
    rules = {queue.name: queue.rules for queue in load.queues}
    begun = time.monotonic()
    while True:
        redis = None if stage.redis_was_emptied else stage.redis
        with suppress(AssertionError):
            found = await evidence(watching, stage.forge, redis, frozenset(load.accepted), rules)
            if not violations(found) or time.monotonic() - begun > SETTLE_SECONDS:
                return found, time.monotonic() - begun
        await asyncio.sleep(5 * PAUSE)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


if __name__ == "__main__":
    given = os.environ
    seed = int(given.get("SEED") or time.time())
    result = run(measure(seed, int(given["QUICK"]), int(given["SLOW"])))
    print_result({"benchmark": "faults", "seed": seed, **result, **load_of_the_machine()})
    raise SystemExit(1 if result["violations"] else 0)

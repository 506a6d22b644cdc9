"""The faults of docs/architecture.md, each brought about for real and mended again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bench.faults.plan import KILL, Round
from bench.faults.scene import Scene

API_AWAY_SECONDS: Final = 20.0
WEATHER_SECONDS: Final = 4.0
DOWN_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Fault:
    """`quick` ones take less than half a minute; `apart` are those that need no worker."""

    bring: Callable[[Scene], Awaitable[None]]
    quick: bool = True
    apart: bool = False


async def bring(scene: Scene, each: Round) -> None:
    """One round: the fault, and the operator's death within it."""
    await asyncio.sleep(each.after)
    fault = asyncio.ensure_future(FAULTS[each.fault].bring(scene))
    if each.kill_after is not None:
        await asyncio.wait({fault}, timeout=each.kill_after)
        await scene.kill_operator()
    await fault


async def _operator_killed(scene: Scene) -> None:
    await scene.kill_operator()


async def _api_server_away(scene: Scene) -> None:
    async with scene.paused("kube-apiserver"):
        await asyncio.sleep(API_AWAY_SECONDS)
    await scene.api_server_answers()


async def _refusing(scene: Scene, status: int, share: float) -> None:
    weather = scene.proxy.weather
    weather.refusing, weather.share = status, share
    await asyncio.sleep(WEATHER_SECONDS)
    weather.refusing = None


async def _too_many_requests(scene: Scene) -> None:
    await _refusing(scene, 429, 0.7)


async def _internal_errors(scene: Scene) -> None:
    await _refusing(scene, 500, 0.5)


async def _watches_expired(scene: Scene) -> None:
    scene.proxy.weather.watches_gone = True
    scene.proxy.end_watches()
    await asyncio.sleep(DOWN_SECONDS)
    scene.proxy.weather.watches_gone = False


async def _events_doubled(scene: Scene) -> None:
    scene.proxy.weather.events_doubled = True
    await asyncio.sleep(WEATHER_SECONDS)
    scene.proxy.weather.events_doubled = False


async def _redis_lost(scene: Scene) -> None:
    await scene.restart("statefulset/forge-redis", "redis")
    scene.redis_was_emptied = True


async def _redis_emptied(scene: Scene) -> None:
    scene.redis_was_emptied = True
    await scene.empty_redis()


async def _postgres_away(scene: Scene) -> None:
    await scene.restart("statefulset/forge-postgres", "postgres")


async def _pod_evicted(scene: Scene) -> None:
    await scene.evict_some_pod()


async def _pod_killed(scene: Scene) -> None:
    await scene.kill_some_runner()


async def _node_lost(scene: Scene) -> None:
    await scene.stop_the_worker()


FAULTS: Final[dict[str, Fault]] = {
    KILL: Fault(_operator_killed, apart=True),
    "API server away": Fault(_api_server_away, apart=True),
    "API server answers 429": Fault(_too_many_requests, apart=True),
    "API server answers 500": Fault(_internal_errors, apart=True),
    "watches expired (410)": Fault(_watches_expired, apart=True),
    "events doubled, late and reordered": Fault(_events_doubled, apart=True),
    "Redis lost": Fault(_redis_lost),
    "Redis emptied": Fault(_redis_emptied),
    "PostgreSQL away": Fault(_postgres_away),
    "pod evicted": Fault(_pod_evicted),
    "runner killed": Fault(_pod_killed),
    "node lost": Fault(_node_lost, quick=False),
}
"""Beside what jobs do of themselves: fail, fail for good, run out of memory, fall silent, be cancelled (load.py)."""
SLOW: Final = frozenset(name for name, fault in FAULTS.items() if not fault.quick)
APART: Final = frozenset(name for name, fault in FAULTS.items() if fault.apart)

"""Where the faults happen: an installation of its own on the real cluster, its operator a process of this machine."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx2
from redis.asyncio import Redis

from bench.faults.weather import WeatherProxy
from forge_core.cluster import core
from tests.conftest import Kubectl
from tests.e2e.forge import Forge
from tests.e2e.host_operator import HostOperator
from tests.e2e.release import CONTROL_PLANE, Release
from tests.services.docker import docker

T = TypeVar("T")
OPERATOR_AWAY: Final = (0.0, 2.0)
"""Seconds for which a killed operator stays away, at least and at most."""
MEND_SECONDS: Final = 180.0
NODE_SECONDS: Final = 600.0


@dataclass
class Scene:
    """What a fault may touch."""

    release: Release
    operator: HostOperator
    proxy: WeatherProxy
    redis: Redis
    chance: random.Random
    redis_was_emptied: bool = False
    kills: int = 0
    _killing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def kubectl(self) -> Kubectl:
        """As the cluster's administrator."""
        return self.release.kubectl

    @property
    def forge(self) -> Forge:
        """The installation, for whoever asks its cluster and its database; not its API."""
        return Forge(self.kubectl, "", "", self.release.namespace, self.release.tenant_namespace)

    async def run(self, *arguments: str, check: bool = True) -> str:
        """kubectl's output."""
        return (await asyncio.to_thread(self.kubectl.run, *arguments, check=check)).stdout

    async def kill_operator(self) -> None:
        """SIGKILL, and a new one soon."""
        async with self._killing:
            await asyncio.to_thread(self.operator.stop)
            self.kills += 1
            await asyncio.sleep(self.chance.uniform(*OPERATOR_AWAY))
            self.operator.start()

    @asynccontextmanager
    async def paused(self, program: str) -> AsyncIterator[None]:
        """A program of the control plane answers nobody."""
        node = (await self._nodes(control_plane=True))[0]
        await _docker("exec", node, "pkill", "-STOP", "-x", program)
        try:
            yield
        finally:
            await _docker("exec", node, "pkill", "-CONT", "-x", program)

    async def api_server_answers(self) -> None:
        """Wait until the API server serves again."""
        await self._until(lambda: self.kubectl.run("get", "--raw=/readyz", check=False).returncode == 0)

    async def restart(self, workload: str, component: str) -> None:
        """Take a server's pod away without grace and wait for the next."""
        place = ("-n", self.release.namespace)
        selector = f"app.kubernetes.io/component={component}"
        await self.run(*place, "delete", "pod", "-l", selector, "--grace-period=0", "--force")
        await self.run(*place, "rollout", "status", workload, "--timeout=110s")

    async def empty_redis(self) -> None:
        """FLUSHALL."""
        await self.redis.flushall()

    async def evict_some_pod(self) -> None:
        """A running runner's pod, by the Eviction API; nothing when there is none."""
        pod = await self._some_running_pod()
        if pod is not None:
            name, namespace = pod["metadata"]["name"], self.release.tenant_namespace
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
            }
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
            await asyncio.to_thread(_create_raw, self.kubectl, path, eviction)

    async def kill_some_runner(self) -> None:
        """SIGKILL of everything in a running runner's container, as the kernel kills one that is out of memory."""
        pod = await self._some_running_pod()
        if pod is not None:
            container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
            await _docker("exec", pod["spec"]["nodeName"], "ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL",
                          container, check=False)  # fmt: skip

    async def stop_the_worker(self) -> None:
        """The worker is off until its pods were given up, and then back."""
        node = (await self._nodes(control_plane=False))[0]
        await _docker("stop", "-t", "1", node)
        try:
            await self._until(lambda: self._given_up(node), NODE_SECONDS)
        finally:
            await _docker("start", node)
        await self._until(lambda: node in self._ready_nodes())

    def _given_up(self, node: str) -> bool:
        """Whether no pod of the node counts as alive; False also while the API server doesn't say."""
        pods = self._seen(core("pods", self.release.tenant_namespace), fieldSelector=f"spec.nodeName={node}")
        return pods is not None and not any(pod["status"].get("phase") in {"Pending", "Running"} for pod in pods)

    def _ready_nodes(self) -> set[str]:
        conditions = {
            node["metadata"]["name"]: node["status"]["conditions"] for node in self._seen(core("nodes")) or ()
        }
        return {
            name
            for name, found in conditions.items()
            if any(each["type"] == "Ready" and each["status"] == "True" for each in found)
        }

    def _seen(self, path: str, **query: str) -> list[dict[str, Any]] | None:
        """What a list holds; None while the API server is away, which it may be beside a lost node."""
        try:
            return self.kubectl.server.items(path, **query)
        except httpx2.HTTPError:
            return None

    async def _nodes(self, *, control_plane: bool) -> list[str]:
        nodes = await self._until(lambda: self._seen(core("nodes")))
        return [n["metadata"]["name"] for n in nodes if (CONTROL_PLANE in n["metadata"]["labels"]) is control_plane]

    async def _some_running_pod(self) -> dict[str, Any] | None:
        pods = await asyncio.to_thread(
            self.kubectl.server.items, core("pods", self.release.tenant_namespace), fieldSelector="status.phase=Running"
        )
        alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return self.chance.choice(alive) if alive else None

    @staticmethod
    async def _until(condition: Callable[[], T | None], seconds: float = MEND_SECONDS) -> T:
        """The first truthy value of `condition`. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not (value := await asyncio.to_thread(condition)):
                await asyncio.sleep(0.3)
            return value


def _create_raw(kubectl: Kubectl, path: str, body: dict[str, Any]) -> None:
    kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False)


async def _docker(*arguments: str, check: bool = True) -> None:
    await asyncio.to_thread(docker, *arguments, check=check)

"""A real clone cache on a loopback port, in a thread of its own, in front of a Kubernetes API in memory."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge_clones.serving import serving
from forge_clones.settings import Settings
from forge_core.cluster import analysis_jobs, job_queues
from forge_core.maintenance import CLEANUP
from forge_core.names import ANALYSIS_JOB_KIND, CLONES_AUDIENCE
from forge_runner.clone_cache import CloneCache
from tests.builders.api import MemoryCluster, RunnerPod

SYSTEM = "forge-system"
UNHURRIED = {"patience": 60.0, "grant_seconds": 3600.0}
"""The longest times that settings may have: on a busy machine no mirror comes too late, and no promise ends."""


@dataclass
class Tenants:
    """Jobs and their pods, whose tokens are for the clone cache."""

    folder: Path
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    made: int = 0

    def pod(self, namespace: str = "tenant-acme", repository: str = "", **changes: Any) -> RunnerPod:
        """A running pod of a new job of that repository."""
        self.made += 1
        spec = {"queue": "analysis", **({"repository": {"url": repository}} if repository else {})}
        path = analysis_jobs(namespace, f"job-{self.made}")
        job = self.cluster.put(path, {"kind": ANALYSIS_JOB_KIND, "spec": spec, "status": {}})
        return self.cluster.pod(namespace, job, **{"audiences": [CLONES_AUDIENCE], **changes})

    def cleaner(self, namespace: str = SYSTEM, queue: str = "cleanup", **changes: Any) -> RunnerPod:
        """A pod of a job of a clean-up queue."""
        self.made += 1
        self.cluster.put(job_queues("cleanup"), {"spec": {"jobType": CLEANUP}})
        self.cluster.put(job_queues("analysis"), {"spec": {"jobType": "analysis"}})
        path = analysis_jobs(namespace, f"clean-{self.made}")
        job = self.cluster.put(path, {"kind": ANALYSIS_JOB_KIND, "spec": {"queue": queue}, "status": {}})
        return self.cluster.pod(namespace, job, **{"audiences": [CLONES_AUDIENCE], **changes})

    def cache(self, url: str, pod: RunnerPod) -> CloneCache:
        """The cache as that pod sees it."""
        token = self.folder / pod.name
        token.write_text(pod.token)
        return CloneCache(url, token)


@dataclass(frozen=True)
class Clones:
    """A running cache."""

    url: str
    root: Path
    tenants: Tenants

    def cache_of(self, repository: str, namespace: str = "tenant-acme") -> CloneCache:
        """The cache as a new job of that repository sees it."""
        return self.tenants.cache(self.url, self.tenants.pod(namespace, repository))

    def cleaner(self, **changes: Any) -> CloneCache:
        """The cache as a clean-up sees it."""
        return self.tenants.cache(self.url, self.tenants.cleaner(**changes))

    @property
    def mirrors(self) -> list[Path]:
        """The folders that it keeps."""
        return sorted((self.root / "mirrors").iterdir())

    def send(
        self, method: str, path: str, token: str = "", body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One raw request: the status, and the answer as JSON or bytes."""
        request = urllib.request.Request(self.url + path, body, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def metrics(self) -> str:
        """What Prometheus would read."""
        return bytes(self.send("GET", "/metrics")[1]).decode()


@contextmanager
def clone_cache(root: Path, tenants: Tenants, **changes: Any) -> Iterator[Clones]:
    """Serve while the block lasts. `changes` are Settings'."""
    given = {
        "host": "127.0.0.1", "port": 0, "allowed_hosts": "127.0.0.1", "system_namespace": SYSTEM, **UNHURRIED,
    }  # fmt: skip
    settings = Settings(clones_path=root, **{**given, **changes})
    ready, ended = threading.Event(), threading.Event()
    place: dict[str, Any] = {}

    async def serve() -> None:
        stop = asyncio.Event()
        place["stop"] = (asyncio.get_running_loop(), stop)
        async with serving(settings, tenants.cluster) as port:
            place["port"] = port
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # told to the test, which would wait for ever
            place["error"] = error
        finally:
            ended.set()
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()  # set when it failed, too
    if "port" not in place:
        thread.join()
        raise AssertionError("the clone cache did not start") from place.get("error")
    try:
        yield Clones(f"http://127.0.0.1:{place['port']}", root, tenants)
    finally:
        loop, stop = place["stop"]
        loop.call_soon_threadsafe(stop.set)
        thread.join(120)
        assert ended.is_set(), "the clone cache did not end"
        if "error" in place:
            raise place["error"]

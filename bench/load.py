"""Stands for the runners of simulated pods: each claims, beats, reports and uploads a small result as a real one does.

It calls the real internal API with the runner's own client and a token that is bound to that very pod (TokenRequest,
audience forge-api), and the real Redis as the tenant's user. A pod's end is told to KWOK by an annotation.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.place import RELEASE_NAMESPACE, unique
from bench.simulated import NAMESPACE, TENANT
from forge_core.attempts import Outcome
from forge_core.cluster import Cluster, Gone, NotFound, Raw, Unavailable, Unreachable, core
from forge_core.messages import ProgressMessage, ProgressUnavailable
from forge_core.names import JOB_UID_LABEL, QUEUE_LABEL, RUNNER_SERVICE_ACCOUNT, TOKEN_AUDIENCE, redis_user
from forge_core.progress import Progress
from forge_runner.internal_api import InternalApi
from forge_runner.patience import within
from forge_runner.result_files import stored

AT_ONCE: Final = 64
ALLOWANCE: Final = 120.0
QUEUE: Final = "bench-load"
SUMMARY: Final = {"grade": "A", "files": 12, "findings": 3}
STAGES: Final = (("cloning", 10.0), ("analysing", 80.0), ("saving", 95.0))


@dataclass
class Load:
    """The runners. `served` counts those that have ended well."""

    cluster: Cluster
    api: str
    """The internal API's base URL."""
    progress: Progress
    folder: Path
    served: int = 0
    unreported: int = 0
    """Progress messages that Redis did not take."""
    failed: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self) -> None:
        """Serve each pod of the queue as it starts, until cancelled."""
        selector, version = f"{QUEUE_LABEL}={QUEUE}", ""
        while True:
            page = await self.cluster.get(core("pods", NAMESPACE), labelSelector=selector)
            for pod in page["items"]:
                self._notice(pod)
            version = page["metadata"]["resourceVersion"]
            with suppress(Gone, Unavailable, Unreachable):
                async for kind, pod in self.cluster.watch(core("pods", NAMESPACE), version, labelSelector=selector):
                    if kind in {"ADDED", "MODIFIED"}:
                        self._notice(pod)

    def _notice(self, pod: Raw) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._seen or pod["status"].get("phase") != "Running":
            return
        self._seen.add(uid)
        task = asyncio.ensure_future(self._serve(pod))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, pod: Raw) -> None:
        async with self._slots:
            try:
                await self._be_its_runner(pod)
                self.served += 1
            except Exception as error:
                self.failed.append(f"{type(error).__name__}: {error}")

    async def _be_its_runner(self, pod: Raw) -> None:
        metadata = pod["metadata"]
        token = self.folder / metadata["uid"]
        token.write_text(await self._token(metadata))
        async with InternalApi.connect(self.api, token) as api:
            claim = await within(ALLOWANCE, lambda: api.claim(1), _unheard)
            for stage, percent in STAGES:
                await self._report(metadata["labels"][JOB_UID_LABEL], claim.attempt, stage, percent)
            log = stored(self.folder / "log", "log", "text/plain; charset=utf-8")
            await within(ALLOWANCE, lambda: api.put_artifact(claim.attempt, log), _unheard)
            outcome = Outcome(status="succeeded", summary=SUMMARY, artifacts=(log.reference(),))
            await within(ALLOWANCE, lambda: api.put_outcome(claim.attempt, outcome), _unheard)
        path = core("pods", NAMESPACE, metadata["name"])
        await self.cluster.patch(path, {"metadata": {"annotations": {"bench/exit": "0"}}})
        token.unlink()

    async def _token(self, metadata: Raw) -> str:
        """What the kubelet would have mounted."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [TOKEN_AUDIENCE], "expirationSeconds": 3600, "boundObjectRef": bound},
        }
        path = core("serviceaccounts", NAMESPACE, RUNNER_SERVICE_ACCOUNT) + "/token"
        answer = await self.cluster.create(path, asked)
        token: str = answer["status"]["token"]
        return token

    async def _report(self, uid: str, attempt: int, stage: str, percent: float) -> None:
        message = ProgressMessage(uid=uid, attempt=attempt, stage=stage, percent=percent, at=datetime.now(UTC))
        try:
            await self.progress.report(TENANT, message)
            await self.progress.log(TENANT, uid, [f"{stage} {percent}"])
        except ProgressUnavailable:
            self.unreported += 1


def _unheard(_why: str) -> None:
    """A runner would say so in its log."""


@asynccontextmanager
async def load(cluster: Cluster, redis_password: str) -> AsyncIterator[Load]:
    """The runners, at work until this is left; the two services are reached by node ports of their own."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(_reachable(cluster, "forge-api-internal"))
        redis = await stack.enter_async_context(_reachable(cluster, "forge-redis"))
        connected = Progress.connect(f"redis://{redis}", redis_user(TENANT), redis_password)
        progress = await stack.enter_async_context(connected)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "log").write_text("attempt 1 of 3\n" * 60)
        runners = Load(cluster, f"http://{api}", progress, folder)
        running = asyncio.ensure_future(runners.run())
        try:
            yield runners
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _reachable(cluster: Cluster, service: str) -> AsyncIterator[str]:
    """host:port at which this machine reaches a service of the release, past its network policy."""
    spec = (await cluster.get(core("services", RELEASE_NAMESPACE, service)))["spec"]
    ports = [{"port": port["port"], "targetPort": port["targetPort"]} for port in spec["ports"]]
    name = unique("bench")
    metadata = {"name": name, "namespace": RELEASE_NAMESPACE}
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "NodePort", "selector": spec["selector"], "ports": ports},
    }
    let_in = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": {"matchLabels": spec["selector"]},
            "ingress": [{"ports": [{"port": port["targetPort"]} for port in ports]}],
        },
    }
    policies = f"/apis/networking.k8s.io/v1/namespaces/{RELEASE_NAMESPACE}/networkpolicies"
    made = await cluster.create(core("services", RELEASE_NAMESPACE), body)
    try:
        await cluster.create(policies, let_in)
        nodes = (await cluster.get(core("nodes"), labelSelector="!bench/simulated"))["items"]
        address = next(each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP")
        yield f"{address}:{made['spec']['ports'][0]['nodePort']}"
    finally:
        await cluster.delete(core("services", RELEASE_NAMESPACE, name))
        with suppress(NotFound):
            await cluster.delete(f"{policies}/{name}")

"""What a benchmark sets up on this clone's cluster and takes away again: a queue of its own, and a bare Job's twin."""

import asyncio
import copy
import json
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from forge_core.cluster import Cluster, NotFound, Raw, analysis_jobs, job_queues, jobs
from forge_core.names import ANALYSIS_JOB_KIND, API_VERSION, JOB_QUEUE_KIND, JOB_UID_LABEL, child_job_name

ROOT: Final = Path(__file__).parent.parent
KUBECONFIG: Final = ROOT / ".local/kubeconfig"
TENANT_NAMESPACE: Final = "tenant-demo"
RELEASE_NAMESPACE: Final = "forge-jobs"
PAUSE: Final = 0.1
KEPT: Final = {"completed": {"age": "24h", "count": 100_000}, "failed": {"age": "24h", "count": 100_000}}
"""What has ended stays until the benchmark has looked at it."""


def run(measuring: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run a benchmark; SIGTERM is taken like Ctrl-C, so that what was set up is taken away again."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return asyncio.run(measuring)


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A connection to this clone's cluster, once Forge Jobs is ready there. SystemExit when there is none."""
    if not KUBECONFIG.exists():
        raise SystemExit("no cluster: `make install` brings one up, with Forge Jobs on it")
    for part in ("operator", "api"):
        await kubectl("-n", RELEASE_NAMESPACE, "rollout", "status", f"deployment/forge-{part}", "--timeout=180s")
    async with Cluster.connect(str(KUBECONFIG)) as connected:
        yield connected


def unique(prefix: str) -> str:
    """A name that no other run uses."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def queue_like_analysis(cluster: Cluster, name: str, **changes: Any) -> AsyncIterator[str]:
    """A JobQueue like `analysis` but without its rate limit and with `changes` to its spec; gone afterwards."""
    spec = (await cluster.get(job_queues("analysis")))["spec"]
    spec.pop("rateLimit", None)
    spec["retention"] = KEPT
    manifest = {"apiVersion": API_VERSION, "kind": JOB_QUEUE_KIND, "metadata": {"name": name}, "spec": spec | changes}
    with suppress(NotFound):
        await cluster.delete(job_queues(name))  # of a run that was killed
    await cluster.create(job_queues(), manifest)
    try:
        yield name
    finally:
        await cluster.delete(job_queues(name))


def analysis_job(namespace: str, name: str, queue: str, url: str) -> Raw:
    """A small AnalysisJob for the repository at `url`."""
    return {
        "apiVersion": API_VERSION,
        "kind": ANALYSIS_JOB_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"queue": queue, "repository": {"url": url}},
    }


async def child_of(cluster: Cluster, created: Raw, seconds: float = 60.0) -> Raw:
    """The batch/v1 Job that the operator made for an AnalysisJob. Raises RuntimeError with why there is none."""
    metadata, until = created["metadata"], time.monotonic() + seconds
    path = jobs(metadata["namespace"], child_job_name(metadata["name"], metadata["uid"]))
    while time.monotonic() < until:
        with suppress(NotFound):
            return await cluster.get(path)
        await asyncio.sleep(PAUSE)
    waiting = await cluster.get(analysis_jobs(metadata["namespace"], metadata["name"]))
    raise RuntimeError(f"no Job after {seconds:g} s, the AnalysisJob says: {waiting.get('status')}")


def bare_twin(child: Raw, name: str, keep: tuple[str, ...] = ()) -> Raw:
    """A Job with the same spec as the operator's, but owned by nobody and seen by nobody: of its labels only `keep`."""
    spec = copy.deepcopy(child["spec"])
    for made_by_the_server in ("selector", "manualSelector", "completionMode", "suspend"):
        spec.pop(made_by_the_server, None)
    labels = {key: value for key, value in child["metadata"]["labels"].items() if key in keep}
    assert JOB_UID_LABEL not in labels
    spec["template"]["metadata"] = {"labels": {**labels, "bench/twin": name}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": child["metadata"]["namespace"],
            "labels": {**labels, "bench/twin": name},
        },
        "spec": spec,
    }


async def gone(cluster: Cluster, path: str, selector: str, seconds: float = 120.0) -> None:
    """Wait until no object at `path` carries the labels. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while (await cluster.get(path, labelSelector=selector, limit=1))["items"]:
            await asyncio.sleep(PAUSE)


async def kubectl(*arguments: str, stdin: str = "", check: bool = True) -> str:
    """kubectl's output, for what is no JSON: logs and exec. Raises RuntimeError with what it says."""
    program = ROOT / ".local/bin/kubectl"
    process = await asyncio.create_subprocess_exec(
        str(program) if program.exists() else "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate(stdin.encode())
    if process.returncode and check:
        raise RuntimeError(f"kubectl {' '.join(arguments[:4])}: {error.decode().strip()}")
    return out.decode()


def load_of_the_machine() -> dict[str, Any]:
    """Processors and load average, for whoever wonders about a figure."""
    return {"processors": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 1)}


def print_result(result: dict[str, Any]) -> None:
    """The one JSON object that a benchmark ends with, in its last line."""
    print(json.dumps(result), flush=True)

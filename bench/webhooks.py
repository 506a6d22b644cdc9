"""`make bench-webhooks`: from an event to the first call of an endpoint; and 50 at once against bare Jobs.

An event begins at its row in the outbox, written here as the recorder writes one, for a job that has ended. A call's
time is the receiver's. A bare Job is a twin of the one that the operator makes: same image, Secret, size and priority,
and a command that makes the same signed call, so that both end in the receiver. All clocks are this machine's.
"""

import argparse
import asyncio
import base64
import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import yaml

from bench import receiving
from bench.calibration import calibration_s
from bench.place import (
    RELEASE_NAMESPACE,
    TENANT_NAMESPACE,
    bare_twin,
    child_of,
    cluster,
    gone,
    kubectl,
    load_of_the_machine,
    print_result,
    run,
    unique,
)
from forge_core.cluster import Cluster, NotFound, Raw, analysis_jobs, core, job_queues, jobs
from forge_core.names import API_VERSION, JOB_UID_LABEL, SECRET_PATH, webhook_secret
from forge_core.webhooks import WEBHOOKS

DELIVERIES: Final = 200
AT_ONCE: Final = 50
ALONE_LIMIT_S: Final = 5.0
RATIO_LIMIT: Final = 1.5
TENANT: Final = "demo"
SECONDS: Final = 120.0
LOOKS: Final = 0.5
"""Seconds between two looks at what came: the times are the receiver's, and each look takes from what is measured."""
SECRET: Final = "whsec_" + base64.b64encode(b"bench" * 8).decode()
_CALL: Final = f"""
import os, urllib.request
from datetime import UTC, datetime
from pathlib import Path
from standardwebhooks import Webhook
secret = Path("{SECRET_PATH}/secret").read_text()
url = Path("{SECRET_PATH}/url").read_text()
now, message = datetime.now(UTC), os.environ["MESSAGE"]
signature = Webhook(secret).sign(message, now, "{{}}")
headers = {{"webhook-id": message, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}}
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(
    urllib.request.Request(url, b"{{}}", headers, method="POST"), timeout=30)
"""
"""What a bare Job does: the same call, by the shortest program that makes it."""


@dataclass(frozen=True)
class Begun:
    """A message under way: its id, and when it began (seconds since the epoch)."""

    message: str
    at: float


@dataclass
class Bench:
    """Measures both sides with one endpoint."""

    cluster: Cluster
    endpoint: str
    path: str
    twin: Raw = field(default_factory=dict)

    async def prepare(self) -> None:
        """A delivery that isn't counted: it warms the path, and its Job is the bare one's pattern."""
        name = unique("bench-hook")
        spec = {
            "queue": WEBHOOKS,
            "secretRef": {"name": webhook_secret(self.endpoint)},
            "config": {"messageId": name, "payload": "{}"},
        }
        manifest = {"apiVersion": API_VERSION, "kind": "AnalysisJob", "metadata": {"name": name}, "spec": spec}
        begun = time.time()
        created = await self.cluster.create(analysis_jobs(TENANT_NAMESPACE), manifest)
        self.twin = await child_of(self.cluster, created)
        await self.calls([Begun(name, begun)])
        await self._remove(analysis_jobs(TENANT_NAMESPACE, name), f"{JOB_UID_LABEL}={created['metadata']['uid']}")
        await self.calls(await self.bare(1))
        await self.tidy()

    async def events(self, count: int) -> list[Begun]:
        """So many events at once, as ended analyses make them."""
        ids = [str(uuid4()) for _ in range(count)]
        begun = time.time()
        await _sql("".join(_event(each) for each in ids))
        return [Begun(each, begun) for each in ids]

    async def bare(self, count: int) -> list[Begun]:
        """So many bare Jobs at once."""
        names = [unique("bench-bare") for _ in range(count)]
        begun = time.time()
        await asyncio.gather(*(self.cluster.create(jobs(TENANT_NAMESPACE), self._bare(name)) for name in names))
        return [Begun(name, begun) for name in names]

    def _bare(self, name: str) -> Raw:
        manifest = bare_twin(self.twin, name)
        manifest["metadata"]["labels"]["bench/webhooks"] = "bare"
        template = manifest["spec"]["template"]
        template["metadata"]["labels"]["bench/webhooks"] = "bare"
        container = template["spec"]["containers"][0]
        container["command"] = ["python", "-c", _CALL]
        container["env"] = [{"name": "MESSAGE", "value": name}]
        return manifest

    async def calls(self, begun: Sequence[Begun]) -> list[float]:
        """Seconds from each beginning to the first call that the receiver had of it."""
        async with asyncio.timeout(SECONDS):
            while True:
                first: dict[str, float] = {}
                for seen in receiving.calls(await self.cluster.get(receiving.RECEIVED), self.path):
                    if seen["status"] == 200:  # 401: the signature was no good
                        first.setdefault(seen["headers"]["webhook-id"], seen["at"])
                if all(each.message in first for each in begun):
                    return [first[each.message] - each.at for each in begun]
                await asyncio.sleep(LOOKS)

    async def tidy(self) -> None:
        """Everything that was made is removed, so that the next round begins on a quiet cluster."""
        made = await _sql(f"select d.id from webhook_deliveries d where d.endpoint_id = '{self.endpoint}'")
        for name in made.split():
            with suppress(NotFound):
                await self.cluster.delete(analysis_jobs(TENANT_NAMESPACE, name))
        for bare in (await self.cluster.get(jobs(TENANT_NAMESPACE), labelSelector="bench/webhooks=bare"))["items"]:
            await self.cluster.delete(jobs(TENANT_NAMESPACE, bare["metadata"]["name"]))
        await gone(self.cluster, core("pods", TENANT_NAMESPACE), f"forge-factory.dev/queue={WEBHOOKS}")
        await gone(self.cluster, core("pods", TENANT_NAMESPACE), "bench/webhooks=bare")

    async def _remove(self, path: str, selector: str) -> None:
        with suppress(NotFound):
            await self.cluster.delete(path)
        await gone(self.cluster, core("pods", TENANT_NAMESPACE), selector)


def _event(event: str) -> str:
    """SQL of an analysis that has ended, and of its event."""
    body = json.dumps({"specversion": "1.0", "id": event, "type": "bench.completed", "tenantid": TENANT, "data": {}})
    return f"""
        insert into jobs (id, tenant, namespace, name, queue, submitted, repository_id, requested_by, spec, priority,
            phase, resource_version, stage, progress, attempts, message, reason, failure_class, cancelled_by,
            created_at, completed_at, recorded_at, deleted_at)
        values ('{event}', '{TENANT}', '{TENANT_NAMESPACE}', 'bench-{event}', 'bench', false, '', 'bench', '{{}}', 1,
            'Completed', 1, '', 100, 1, '', '', '', '', now(), now(), now(), now());
        insert into outbox (id, job_id, tenant, type, event, created_at)
        values ('{event}', '{event}', '{TENANT}', 'bench.completed', '{body}', now());
    """


async def _sql(statements: str) -> str:
    return await kubectl(
        "-n", RELEASE_NAMESPACE, "exec", "-i", "forge-postgres-0", "--", "psql", "-q", "-h", "/tmp", "-U", "forge",
        "-d", "forge", "-tA", "-1", "-v", "ON_ERROR_STOP=1", stdin=statements,
    )  # fmt: skip


@asynccontextmanager
async def endpoint(connected: Cluster) -> AsyncIterator[Bench]:
    """A receiver and an endpoint there that listens to the benchmark's events alone; gone afterwards."""
    image = (await connected.get(job_queues(WEBHOOKS)))["spec"]["image"]
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(receiving.manifests(image)))
    place = ("-n", receiving.NAMESPACE)
    await kubectl(*place, "rollout", "status", f"deployment/{receiving.NAME}", "--timeout=100s")
    made, path = str(uuid4()), f"/{uuid4().hex}"
    url = receiving.URL + path
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": webhook_secret(made)},
        "stringData": {"url": url, "secret": SECRET},
    }  # fmt: skip
    await connected.create(core("secrets", TENANT_NAMESPACE), secret)
    await _sql(f"""
        insert into webhook_endpoints (id, tenant, namespace, url, events, description, enabled, disabled_because,
            enabled_at, created_by, created_at)
        values ('{made}', '{TENANT}', '{TENANT_NAMESPACE}', '{url}', '{{bench.*}}', 'bench', true, '', now(), '', now())
    """)
    try:
        yield Bench(connected, made, path)
    finally:
        await _sql(f"delete from webhook_endpoints where id = '{made}'; delete from jobs where queue = 'bench'")
        await connected.delete(core("secrets", TENANT_NAMESPACE, webhook_secret(made)))
        await kubectl("delete", "namespace", receiving.NAMESPACE, "--wait=false")


def p95(seconds: Sequence[float]) -> float:
    """The 95th percentile of at least two values."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


async def measure(deliveries: int, at_once: int) -> dict[str, Any]:
    """Half of the deliveries one at a time, the other half in rounds of `at_once`, each beside as many bare Jobs."""
    alone: list[float] = []
    crowd: dict[str, list[float]] = {"ours": [], "bare": []}
    async with cluster() as connected, endpoint(connected) as bench:
        await bench.prepare()
        for number in range(deliveries // 2):
            alone += await bench.calls(await bench.events(1))
            if number % 10 == 9:
                print(f"alone {number + 1}: p95 {p95(alone):.2f} s", flush=True)
                await bench.tidy()
        await bench.tidy()
        for number in range(max(deliveries // 2 // at_once, 1)):
            for side in ("ours", "bare") if number % 2 else ("bare", "ours"):
                begun = await (bench.events(at_once) if side == "ours" else bench.bare(at_once))
                crowd[side] += await bench.calls(begun)
                print(f"{at_once} at once, {side}: p95 {p95(crowd[side]):.2f} s", flush=True)
                await bench.tidy()
    ours, bare = p95(crowd["ours"]), p95(crowd["bare"])
    return {
        "benchmark": "webhooks",
        "p95_s": round(p95(alone), 3),
        "p95_s_limit": ALONE_LIMIT_S,
        "p95_ratio": round(ours / bare, 3),
        "p95_ratio_limit": RATIO_LIMIT,
        "median_s": round(statistics.median(alone), 3),
        "ours_p95_s": round(ours, 3),
        "bare_p95_s": round(bare, 3),
        "deliveries": len(alone) + len(crowd["ours"]),
        "at_once": at_once,
        "what": "an event's row to the first call of its endpoint; the bare Job is a twin that makes the same call",
    }


def main() -> None:
    """Print progress, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=DELIVERIES)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    given = parser.parse_args()
    result = run(measure(given.deliveries, given.at_once))
    print_result({**result, "calibration_s": calibration_s(), **load_of_the_machine()})


if __name__ == "__main__":
    main()

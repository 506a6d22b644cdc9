"""What runners keep for their repository's next jobs: of one tenant, namespace and repository, whole, bounded."""

import asyncio
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_core.attempts import MAX_CACHE_BYTES
from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod
from tests.builders.runner_calls import VERSIONS, claim, commit, digest
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
URL = "https://git.example.com/shop.git"
Headers = Mapping[str, str]
BODY = b"forge.analysis.cache/1\n" + bytes(range(256)) * 40


@dataclass
class Bench:
    """Makes running jobs of repositories, and speaks for their pods."""

    api: Api
    cluster: MemoryCluster

    async def pod(self, tenant: str = "acme", url: Any = URL, *, recorded: bool = True) -> RunnerPod:
        """The pod of a new job, which has claimed attempt 1."""
        self.job = job = self.cluster.job(f"tenant-{tenant}", f"job-{next(VERSIONS)}", phase="Running")
        if recorded:
            await self.record(Phase.RUNNING, tenant, url)
        pod = self.cluster.pod(f"tenant-{tenant}", job)
        assert (await claim(self.api, pod)).status_code == 200
        return pod

    async def record(self, phase: Phase, tenant: str = "acme", url: Any = URL) -> None:
        """What the operator writes of the newest job."""
        spec = {"queue": "analysis", **({"repository": {"url": url}} if url is not None else {})}
        record = JobRecord(
            uid=uuid.UUID(self.job["metadata"]["uid"]), resource_version=next(VERSIONS), tenant=tenant,
            namespace=f"tenant-{tenant}", name=self.job["metadata"]["name"], queue="analysis", kind="analysis",
            spec=spec, priority=1, phase=phase, created_at=datetime.now(UTC),
        )  # fmt: skip
        await self.api.services.records.write([record])

    async def get(self, pod: RunnerPod, name: str = "analysis", attempt: int = 1) -> httpx2.Response:
        async with self.api.runner(pod.token) as client:
            return await client.get(f"/internal/v1/attempts/{attempt}/caches/{name}")

    async def put(
        self,
        pod: RunnerPod,
        body: bytes = BODY,
        name: str = "analysis",
        attempt: int = 1,
        headers: Headers | None = None,
    ) -> httpx2.Response:
        given = {"Content-Type": "application/octet-stream", "Content-Digest": digest(body)}
        async with self.api.runner(pod.token) as client:
            path = f"/internal/v1/attempts/{attempt}/caches/{name}"
            return await client.put(path, content=body, headers={**given, **(headers or {})})

    async def run(self, statement: str, **values: Any) -> Any:
        async with self.api.services.caches.history.begin() as connection:
            return await connection.execute(text(statement), values)

    async def held(self) -> int:
        return int((await self.run("select count(*) from caches")).scalar_one())


@pytest.fixture
def bench(api: Api, cluster: MemoryCluster) -> Bench:
    return Bench(api, cluster)


async def test_what_one_job_kept_the_next_one_of_the_repository_gets(bench: Bench) -> None:
    assert (await bench.get(await bench.pod())).json()["code"] == "no-cache"
    for body in (BODY, BODY * 2, b""):
        assert (await bench.put(await bench.pod(), body)).status_code == 204
        answer = await bench.get(await bench.pod())
        assert (answer.status_code, answer.content) == (200, body)
    assert await bench.held() == 1


async def test_it_may_be_kept_after_the_outcome_but_not_after_the_job(bench: Bench) -> None:
    pod = await bench.pod()
    assert (await commit(bench.api, pod, 1)).status_code == 204
    assert (await bench.put(pod)).status_code == 204
    await bench.record(Phase.COMPLETED)
    assert (await bench.put(pod)).json()["code"] == "fenced"
    assert (await bench.get(pod)).json()["code"] == "fenced"


async def test_neither_another_tenant_nor_another_repository_gets_it(bench: Bench) -> None:
    assert (await bench.put(await bench.pod())).status_code == 204
    theirs = await bench.get(await bench.pod("other"))
    assert (theirs.status_code, theirs.json()["code"]) == (404, "no-cache")
    for url in (URL + "/", "https://git.example.com/other.git", "", None):
        assert (await bench.get(await bench.pod(url=url))).status_code == 404, url
    assert (await bench.get(await bench.pod(), "refactoring")).status_code == 404
    await bench.put(await bench.pod("other"), b"theirs")
    assert (await bench.get(await bench.pod())).content == BODY


async def test_a_namespace_that_changed_hands_does_not_hand_it_on(bench: Bench) -> None:
    assert (await bench.put(await bench.pod())).status_code == 204
    await bench.run("update caches set tenant = 'before'")
    assert (await bench.get(await bench.pod())).status_code == 404


async def test_nobody_asks_in_another_ones_place(bench: Bench, cluster: MemoryCluster) -> None:
    owner = await bench.pod()
    idle = cluster.pod("tenant-acme", cluster.job("tenant-acme", "idle"))
    for attempt, pod in ((1, idle), (2, owner)):
        assert (await bench.put(pod, attempt=attempt)).json()["code"] == "fenced"
        assert (await bench.get(pod, attempt=attempt)).json()["code"] == "fenced"
    async with bench.api.runner("forged") as client:
        assert (await client.get("/internal/v1/attempts/1/caches/analysis")).status_code == 401
        assert (await client.put("/internal/v1/attempts/1/caches/analysis", content=b"x")).status_code == 401
    async with bench.api.client() as client:
        assert (await client.get("/internal/v1/attempts/1/caches/analysis")).status_code == 404
    assert await bench.held() == 0


async def test_a_job_that_is_not_recorded_yet_is_asked_to_wait(bench: Bench) -> None:
    pod = await bench.pod(recorded=False)
    assert (await bench.get(pod)).status_code == 503
    assert (await bench.put(pod)).status_code == 503
    await bench.record(Phase.RUNNING)
    assert (await bench.put(pod)).status_code == 204


async def test_a_job_without_a_repository_keeps_nothing(bench: Bench) -> None:
    answer = await bench.put(await bench.pod(url=None))
    assert answer.status_code == 422
    assert "no repository" in answer.json()["error"]


async def test_what_is_not_as_it_says_is_not_kept(bench: Bench) -> None:
    pod = await bench.pod()
    wrong = {
        "another digest": {"Content-Digest": digest(b"other")},
        "no digest": {"Content-Digest": ""},
        "a media type that is none": {"Content-Type": "x"},
    }
    for what, headers in wrong.items():
        assert (await bench.put(pod, headers=headers)).status_code == 422, what
    assert (await bench.put(pod, headers={"Content-Encoding": "gzip"})).status_code == 415
    for name in ("..", "A", "a.b", "-a", "a-", "a" * 64, "%2e%2e"):
        assert (await bench.put(pod, name=name)).status_code in {404, 422}, name
    assert await bench.held() == 0


async def test_the_largest_is_kept_and_a_larger_one_refused_unread(bench: Bench) -> None:
    pod = await bench.pod()
    assert (await bench.put(pod, bytes(MAX_CACHE_BYTES))).status_code == 204
    said = await asyncio.to_thread(_sent, bench.api, pod, MAX_CACHE_BYTES + 1, b"x")
    assert b" 413 " in said.split(b"\r\n")[0]
    assert len((await bench.get(pod)).content) == MAX_CACHE_BYTES


def _sent(api: Api, pod: RunnerPod, length: int, sent: bytes, *, cut: bool = False) -> bytes:
    """Declare a length, send a little, and take what the server says, or hang up."""
    head = (
        f"PUT /internal/v1/attempts/1/caches/analysis HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pod.token}\r\n"
        f"Content-Type: a/b\r\nContent-Digest: {digest(BODY)}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(api.internal.rsplit(":", 1)[1])), timeout=120) as line:
        line.sendall(head.encode() + sent)
        return b"" if cut else line.recv(4096)


async def test_a_cut_upload_leaves_what_was_there(bench: Bench) -> None:
    pod = await bench.pod()
    assert (await bench.put(pod, b"before")).status_code == 204
    await asyncio.to_thread(_sent, bench.api, pod, len(BODY), BODY[: len(BODY) // 2], cut=True)

    async def answered() -> bool:
        async with bench.api.runner(pod.token) as client:
            told = (await client.get("/metrics")).text
        return any("/caches/" in line and 'status="422"' in line for line in told.splitlines())

    await eventually(answered, what="the cut upload was noticed")
    assert (await bench.get(pod)).content == b"before"


async def test_a_repository_has_few_names_and_the_one_unused_for_longest_goes(bench: Bench) -> None:
    pod = await bench.pod()
    for number in range(6):
        assert (await bench.put(pod, name=f"kind-{number}")).status_code == 204
    kept = [number for number in range(6) if (await bench.get(pod, f"kind-{number}")).status_code == 200]
    assert kept == [2, 3, 4, 5]


async def test_what_nobody_used_for_long_goes_and_what_is_used_stays(bench: Bench) -> None:
    pod, now = await bench.pod(), datetime.now(UTC)
    for name in ("used", "unused"):
        assert (await bench.put(pod, name=name)).status_code == 204
    await bench.run("update caches set used_at = :long_ago", long_ago=now - timedelta(days=40))
    assert (await bench.get(pod, "used")).status_code == 200
    caches = bench.api.services.caches
    assert await caches.unused_since(now - timedelta(days=30)) == 1
    assert [await caches.purge(now - timedelta(days=30)) for _ in range(2)] == [1, 0]
    assert (await bench.get(pod, "used")).status_code == 200
    assert (await bench.get(pod, "unused")).status_code == 404

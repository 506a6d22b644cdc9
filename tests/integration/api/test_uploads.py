"""What runners store: bounded, and whole or not at all."""

import asyncio
import gzip
import hashlib
import socket
import uuid
from typing import Any

import pytest

from forge_core.attempts import MAX_ARTIFACT_BYTES
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod
from tests.builders.runner_calls import SARIF, claim, commit, digest, recorded, reference, upload
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_an_outcome_whose_artefacts_are_not_there_is_refused(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    await upload(api, pod, 1, "a", SARIF)
    for missing in (reference("b", SARIF), reference("a", b"other"), {**reference("a", SARIF), "size": 1}):
        assert (await commit(api, pod, 1, artifacts=[missing])).status_code == 422
    assert (await commit(api, pod, 1, artifacts=[reference("a", SARIF)])).status_code == 204


async def test_an_outcome_that_does_not_say_that_it_is_json_is_refused(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    async with api.runner(pod.token) as client:
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            body = b'{"status": "succeeded"}'
            answer = await client.put("/internal/v1/attempts/1/outcome", content=body, headers=headers)
            assert (answer.status_code, "application/json" in answer.json()["error"]) == (422, True), headers


@pytest.mark.parametrize("summary", ['{"a": NaN}', '{"a": "\\ud800"}', '{"a": "' + "x" * 300_000 + '"}'])
async def test_a_hostile_summary_is_refused(api: Api, cluster: MemoryCluster, summary: str) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    async with api.runner(pod.token) as client:
        body = f'{{"status": "succeeded", "summary": {summary}}}'
        headers = {"Content-Type": "application/json"}
        answer = await client.put("/internal/v1/attempts/1/outcome", content=body, headers=headers)
        assert answer.status_code in {413, 422}


async def test_nul_in_a_summary_is_stripped(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    assert (await commit(api, pod, 1, summary={"a": "b\x00c"}, message="x\x00y")).status_code == 204
    uid = uuid.UUID(job["metadata"]["uid"])
    assert (await api.services.records.summaries([uid]))[uid] == {"a": "bc"}


async def test_an_upload_that_is_not_what_it_says_leaves_nothing(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    wrong = {
        "another digest": {"Content-Digest": digest(b"other")},
        "no digest": {"Content-Digest": ""},
        "a weak digest alone": {"Content-Digest": "md5=:AAAA:"},
        "a media type that is none": {"Content-Type": "x"},
    }
    for what, headers in wrong.items():
        assert (await upload(api, pod, 1, "a", SARIF, **headers)).status_code == 422, what
    assert (await upload(api, pod, 1, "a", gzip.compress(SARIF), **{"Content-Encoding": "gzip"})).status_code == 415
    for name in ("..", "A", "a/b", "a" * 64, "%2e%2e"):
        assert (await upload(api, pod, 1, name, SARIF)).status_code in {404, 422}, name
    assert await api.services.queries.file(uuid.UUID(job["metadata"]["uid"]), "a") is None


async def test_an_upload_without_a_length_or_over_the_limit_is_refused_unread(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)

    async def pieces() -> Any:
        yield SARIF

    async with api.runner(pod.token) as client:
        headers = {"Content-Digest": digest(SARIF), "Content-Type": "a/b"}
        answer = await client.put("/internal/v1/attempts/1/artifacts/a", content=pieces(), headers=headers)
        assert answer.status_code == 411
    said = await asyncio.to_thread(_declare, api, pod, MAX_ARTIFACT_BYTES + 1)
    assert b" 413 " in said.split(b"\r\n")[0]


def _declare(api: Api, pod: RunnerPod, length: int) -> bytes:
    """Declare a length, send a little, and take what the server says."""
    with _opened(api, pod, length, b"x") as line:
        return line.recv(4096)


def _opened(api: Api, pod: RunnerPod, length: int, sent: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(api.internal.rsplit(":", 1)[1])), timeout=120)
    head = (
        f"PUT /internal/v1/attempts/1/artifacts/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pod.token}\r\n"
        f"Content-Type: a/b\r\nContent-Digest: {digest(SARIF * 1000)}\r\nContent-Length: {length}\r\n\r\n"
    )
    line.sendall(head.encode() + sent)
    return line


@pytest.mark.parametrize("reset", [False, True])
async def test_an_upload_that_is_cut_in_the_middle_leaves_nothing(
    api: Api, cluster: MemoryCluster, reset: bool
) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    whole = SARIF * 1000
    line = await asyncio.to_thread(_opened, api, pod, len(whole), whole[: len(whole) // 2])
    if reset:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    line.close()

    async def answered() -> bool:
        async with api.runner(pod.token) as client:
            text = (await client.get("/metrics")).text
            return any("artifacts" in row and 'status="422"' in row for row in text.splitlines())

    await eventually(answered, what="the cut upload was noticed")
    assert await api.services.queries.file(uuid.UUID(job["metadata"]["uid"]), "cut") is None
    assert (await upload(api, pod, 1, "cut", whole)).status_code == 204


async def test_a_large_artefact_comes_back_as_it_was(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    body = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(300_000))
    assert (await upload(api, pod, 1, "large", body)).status_code == 204
    await commit(api, pod, 1, artifacts=[reference("large", body)])
    await api.services.records.write([recorded(job, Phase.COMPLETED)])
    async with api.client() as client:
        for encoding in ("gzip", "identity"):
            path = f"/analyses/{job['metadata']['uid']}/artifacts/large"
            answer = await client.get(path, headers={"Accept-Encoding": encoding})
            assert hashlib.sha256(answer.content).digest() == hashlib.sha256(body).digest()


async def test_at_most_sixteen_artefacts_are_kept(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    answers = [(await upload(api, pod, 1, f"a{n}", SARIF)).status_code for n in range(17)]
    assert answers == [204] * 16 + [422]

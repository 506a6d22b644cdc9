"""Artefacts through the API: listed, whole, in ranges; another tenant's never; hostile names and ranges."""

import asyncio
import gzip
import hashlib
import socket
from urllib.parse import urlsplit

import pytest

from forge_api.app import ROOTS
from forge_core.attempts import MAX_ARTIFACTS
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.builders.runner_calls import claim, commit, digest, recorded, reference, upload

pytestmark = pytest.mark.anyio
PATCH = bytes(range(256)) * 4000
PAGE = b"<script>alert(1)</script>"


async def completed(api: Api, cluster: MemoryCluster, files: dict[str, tuple[str, bytes]]) -> str:
    """The id of a completed job that left these files (content type, body)."""
    job = cluster.job("tenant-acme", "sample", phase="Running")
    pod = cluster.pod("tenant-acme", job)
    await api.services.records.write([recorded(job, Phase.RUNNING)])
    await claim(api, pod)
    for name, (content_type, body) in files.items():
        assert (await upload(api, pod, 1, name, body, **{"Content-Type": content_type})).status_code == 204
    named = [reference(name, body) for name, (_, body) in files.items()]
    assert (await commit(api, pod, 1, artifacts=named)).status_code == 204
    await api.services.records.write([recorded(job, Phase.COMPLETED)])
    return str(job["metadata"]["uid"])


async def test_artefacts_are_listed_with_all_that_a_client_needs_to_fetch_and_check_them(
    api: Api, cluster: MemoryCluster
) -> None:
    job_id = await completed(api, cluster, {"a.patch": ("text/x-diff", PATCH), "empty": ("text/plain", b"")})
    async with api.client() as client:
        for root in ROOTS:
            listed = (await client.get(f"{root}/{job_id}/artifacts")).json()
            assert listed["attempt"] == 1
            assert listed["items"] == (await client.get(f"{root}/{job_id}/results")).json()["artifacts"]
            assert listed["items"] == [
                {
                    "name": name,
                    "contentType": content_type,
                    "size": len(body),
                    "sha256": hashlib.sha256(body).hexdigest(),
                    "url": f"{root}/{job_id}/artifacts/{name}",
                }
                for name, content_type, body in (("a.patch", "text/x-diff", PATCH), ("empty", "text/plain", b""))
            ]
            for item in listed["items"]:
                answer = await client.get(item["url"], headers={"Accept-Encoding": "identity"})
                assert len(answer.content) == item["size"] == int(answer.headers["content-length"])
                assert hashlib.sha256(answer.content).hexdigest() == item["sha256"]
                assert answer.headers["repr-digest"] == digest(answer.content)
                assert answer.headers["content-type"].startswith(item["contentType"])


async def test_a_job_that_is_not_completed_lists_nothing(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample", phase="Running")
    pod = cluster.pod("tenant-acme", job)
    await api.services.records.write([recorded(job, Phase.RUNNING)])
    await claim(api, pod)
    await upload(api, pod, 1, "early", PATCH)
    async with api.client() as client:
        for path in ("artifacts", "artifacts/early"):
            answer = await client.get(f"/jobs/{job['metadata']['uid']}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (409, "not-completed")


async def test_a_download_that_broke_off_goes_on_where_it_ended(api: Api, cluster: MemoryCluster) -> None:
    path = f"/jobs/{await completed(api, cluster, {'a.patch': ('text/x-diff', PATCH)})}/artifacts/a.patch"
    async with api.client() as client:
        first = await client.get(path, headers={"Range": "bytes=0-299999"})
        rest = await client.get(path, headers={"Range": "bytes=300000-", "If-Range": first.headers["etag"]})
        assert (first.status_code, rest.status_code) == (206, 206)
        assert first.content + rest.content == PATCH
        assert rest.headers["content-range"] == f"bytes 300000-{len(PATCH) - 1}/{len(PATCH)}"
        assert rest.headers["repr-digest"] == digest(PATCH)
        changed = await client.get(path, headers={"Range": "bytes=300000-", "If-Range": '"another"'})
        assert (changed.status_code, changed.content) == (200, PATCH)
        tail = await client.get(path, headers={"Range": "bytes=-10"})
        assert (tail.status_code, tail.content) == (206, PATCH[-10:])
        held = await client.get(path, headers={"If-None-Match": first.headers["etag"], "Accept-Encoding": "identity"})
        assert (held.status_code, held.content) == (304, b"")


async def test_gzip_is_sent_whole_with_a_tag_and_a_digest_of_its_own(api: Api, cluster: MemoryCluster) -> None:
    path = f"/jobs/{await completed(api, cluster, {'a.patch': ('text/x-diff', PATCH)})}/artifacts/a.patch"
    async with api.client() as client:
        async with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
            raw = b"".join([piece async for piece in packed.aiter_raw()])
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert gzip.decompress(raw) == plain.content == PATCH
    assert packed.headers["repr-digest"] == digest(raw)
    assert packed.headers["etag"] != plain.headers["etag"]


async def test_an_archived_log_is_answered_in_ranges_too(api: Api, cluster: MemoryCluster) -> None:
    job_id = await completed(api, cluster, {"log": ("text/plain", b"cloning\nanalysing\n")})
    async with api.client() as client:
        answer = await client.get(f"/jobs/{job_id}/logs", headers={"Range": "bytes=-10"})
        assert (answer.status_code, answer.content) == (206, b"analysing\n")


async def test_a_range_that_can_not_be_answered_is_a_416_and_an_odd_one_the_whole(
    api: Api, cluster: MemoryCluster
) -> None:
    path = f"/jobs/{await completed(api, cluster, {'a': ('text/plain', b'0123456789')})}/artifacts/a"
    async with api.client() as client:
        for header in ("bytes=10-", "bytes=-0", f"bytes={'9' * 5000}-"):
            answer = await client.get(path, headers={"Range": header})
            assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10"), header
            assert answer.headers["content-type"] == "application/problem+json"
        many = "bytes=" + ",".join("0-" for _ in range(4000))
        for header in (many, "bytes=0-1,2-3", "bytes=9-1", "bytes=x", "items=0-1", "bytes=0-1;q=1"):
            answer = await client.get(path, headers={"Range": header})
            assert (answer.status_code, answer.content) == (200, b"0123456789"), header
        twice = await client.get(path, headers=[("Range", "bytes=0-0"), ("Range", "bytes=1-1")])
        assert (twice.status_code, twice.content) == (200, b"0123456789")
        longer = await client.get(path, headers={"Range": "bytes=0-" + ",0-" * 8000})
        assert longer.status_code == 431


async def test_a_hostile_name_finds_nothing(api: Api, cluster: MemoryCluster) -> None:
    job_id = await completed(api, cluster, {"a": ("text/plain", b"x")})
    names = (
        "..", ".", "../a", "..%2fa", "%2e%2e%2fa", "a%00", "%00", "a%0d%0aX:y", "a/b", "a%2Fb", "%252e%252e", "A",
        "a%22", "a;b", "-a", "a" * 64, "%ff", "%c0%ae", "a%20", "*", "~", "%5c..%5ca", "",
    )  # fmt: skip
    for root in ROOTS:
        for name in names:
            path = f"{root}/{job_id}/artifacts/{name}"
            answer = await asyncio.to_thread(by_hand, api.public, path, api.signer.token())
            status = int(answer.split(b" ", 2)[1])
            assert status in {400, 404, 422}, (name, answer[:200])
            assert b"application/problem+json" in answer or status == 400, (name, answer[:200])


def by_hand(url: str, path: str, token: str) -> bytes:
    """What is answered to a GET of that very path: a client would tidy it."""
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    with socket.create_connection((where.hostname, where.port), timeout=120) as line:
        asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        line.sendall(asked.encode())
        with line.makefile("rb") as answer:
            return answer.read()


async def test_another_tenants_artefacts_are_not_there(api: Api, cluster: MemoryCluster) -> None:
    job_id = await completed(api, cluster, {"a": ("text/plain", b"secret")})
    async with api.client("other") as other, api.client() as owner:
        etag = (await owner.get(f"/jobs/{job_id}/artifacts/a")).headers["etag"]
        for root in ROOTS:
            for path in ("artifacts", "artifacts/a", "results", "sarif", "logs"):
                for headers in ({}, {"Range": "bytes=0-0"}, {"If-None-Match": etag}):
                    answer = await other.get(f"{root}/{job_id}/{path}", headers=headers)
                    assert (answer.status_code, answer.json()["error"]) == (404, "Job not found"), path


async def test_a_browser_never_shows_what_a_runner_calls_a_page(api: Api, cluster: MemoryCluster) -> None:
    files = {"sarif.html": ("text/html", PAGE), "x": ("text/html", PAGE), "r.sarif": ("application/sarif+json", b"{}")}
    job_id = await completed(api, cluster, files)
    async with api.client() as client:
        for name in files:
            answer = await client.get(f"/jobs/{job_id}/artifacts/{name}")
            assert answer.headers["x-content-type-options"] == "nosniff"
            saved = answer.headers.get("content-disposition", "")
            assert saved == ("" if name == "r.sarif" else f'attachment; filename="{name}"')


async def test_an_attempt_stores_so_many_artefacts_and_no_more(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    for number in range(MAX_ARTIFACTS):
        assert (await upload(api, pod, 1, f"a{number}", b"x")).status_code == 204
    answer = await upload(api, pod, 1, "one-more", b"x")
    assert (answer.status_code, str(MAX_ARTIFACTS) in answer.json()["error"]) == (422, True)
    assert (await upload(api, pod, 1, "a0", b"again")).status_code == 204

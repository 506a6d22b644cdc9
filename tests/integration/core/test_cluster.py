"""The Kubernetes API by raw JSON, against a real API server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from forge_core.cluster import Cluster, Conflict, Gone, NotFound, Raw, Refused, Unreachable, core

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with Cluster.connect(str(kubeconfig)) as connected:
        yield connected


def config_map(name: str, **values: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


async def test_an_object_is_created_read_patched_and_deleted(cluster: Cluster, namespace: str) -> None:
    created = await cluster.create(core("configmaps", namespace), config_map("a", key="1"))
    path = core("configmaps", namespace, "a")
    assert (await cluster.get(path))["data"] == {"key": "1"}
    assert (await cluster.patch(path, {"data": {"key": "2"}}))["data"] == {"key": "2"}
    await cluster.delete(path, uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await cluster.get(path)


async def test_a_second_create_says_that_it_is_there_already(cluster: Cluster, namespace: str) -> None:
    await cluster.create(core("configmaps", namespace), config_map("a"))
    with pytest.raises(Conflict) as refused:
        await cluster.create(core("configmaps", namespace), config_map("a"))
    assert refused.value.already_exists


async def test_a_patch_decided_from_an_older_version_is_refused(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(core("configmaps", namespace), config_map("a"))
    path, version = core("configmaps", namespace, "a"), first["metadata"]["resourceVersion"]
    await cluster.patch(path, {"data": {"key": "newer"}})
    with pytest.raises(Conflict) as refused:
        await cluster.patch(path, {"metadata": {"resourceVersion": version}, "data": {"key": "older"}})
    assert not refused.value.already_exists


async def test_only_the_object_of_that_uid_is_deleted(cluster: Cluster, namespace: str) -> None:
    await cluster.create(core("configmaps", namespace), config_map("a"))
    with pytest.raises(Conflict):
        await cluster.delete(core("configmaps", namespace, "a"), uid="00000000-0000-0000-0000-000000000000")
    assert await cluster.get(core("configmaps", namespace, "a"))


async def test_a_malformed_object_is_refused_for_good(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Refused, match="Invalid"):
        await cluster.create(core("configmaps", namespace), config_map("Not A Name"))


async def test_a_long_list_comes_in_pages_of_one_version(cluster: Cluster, namespace: str) -> None:
    for number in range(5):
        await cluster.create(core("configmaps", namespace), config_map(f"m-{number}"))
    pages = [page async for page in cluster.pages(core("configmaps", namespace), limit=2, labelSelector="!none")]
    assert len(pages) >= 3
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    names = [item["metadata"]["name"] for page in pages for item in page["items"]]
    assert {f"m-{number}" for number in range(5)} <= set(names)


async def test_a_watch_brings_each_change_even_a_large_one(cluster: Cluster, namespace: str) -> None:
    listed = await cluster.get(core("configmaps", namespace))
    await cluster.create(core("configmaps", namespace), config_map("large", text="x" * 900_000))
    await cluster.delete(core("configmaps", namespace, "large"))
    seen = []
    version = listed["metadata"]["resourceVersion"]
    async for kind, changed in cluster.watch(core("configmaps", namespace), version, seconds=120):
        if changed["metadata"].get("name") == "large":
            seen.append((kind, len(changed["data"]["text"])))
            if kind == "DELETED":
                break
    assert seen == [("ADDED", 900_000), ("DELETED", 900_000)]


@pytest.fixture
async def old_server() -> AsyncIterator[str]:
    """Says what an API server says once etcd has compacted a version; a young cluster has compacted none."""
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (9)"}

    async def answer(request: web.Request) -> web.Response:
        if "watch" in request.query:
            return web.Response(text=json.dumps({"type": "ERROR", "object": status}) + "\n")
        return web.json_response(status, status=410)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_version_that_is_too_old_is_gone(old_server: str, tmp_path: Path) -> None:
    async with Cluster.connect(str(kubeconfig_of(tmp_path, old_server))) as connected:
        with pytest.raises(Gone, match="too old"):
            async for _ in connected.watch(core("configmaps"), "1", seconds=5):
                pass
        with pytest.raises(Gone):
            await connected.get(core("configmaps"))


async def test_an_api_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async with Cluster.connect(str(kubeconfig_of(tmp_path, "http://127.0.0.1:9"))) as connected:
        with pytest.raises(Unreachable):
            await connected.get(core("nodes"))


def kubeconfig_of(folder: Path, server: str) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{{name: x, cluster: {{server: '{server}'}}}}]\n"
        "contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {token: t}}]\n"
    )
    return path

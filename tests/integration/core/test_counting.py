"""A kind that was just defined, and the quota controller of a real cluster."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forge_core.cluster import Cluster, NotFound, Raw, core
from forge_core.counting import NAME, counted
from forge_core.crds import DEFINITIONS, apply

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]
GROUP = "counting.test"


def definition(plural: str) -> Raw:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural[:-1], "kind": plural.title()},
            "versions": [version],
        },
    }


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with Cluster.connect(str(kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def plural(cluster: Cluster) -> AsyncIterator[str]:
    """A kind that was defined a moment ago."""
    name = f"w{uuid.uuid4().hex[:8]}s"
    await apply(cluster, definition(name), asyncio.get_running_loop().time() + 120)
    yield name
    await cluster.delete(f"{DEFINITIONS}/{name}.{GROUP}")


async def test_once_it_is_counted_a_new_quota_lets_objects_in(cluster: Cluster, namespace: str, plural: str) -> None:
    assert await counted(cluster, definition(plural), namespace)
    with pytest.raises(NotFound):
        await cluster.get(core("resourcequotas", namespace, NAME))
    hard = {f"count/{plural}.{GROUP}": "1"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}, "spec": {"hard": hard}}
    await cluster.create(core("resourcequotas", namespace), quota)
    async with asyncio.timeout(120):
        while "used" not in (await cluster.get(core("resourcequotas", namespace, "one"))).get("status", {}):
            await asyncio.sleep(0.1)
    made = {"apiVersion": f"{GROUP}/v1", "kind": plural.title(), "metadata": {"name": "first"}}
    await cluster.create(f"/apis/{GROUP}/v1/namespaces/{namespace}/{plural}", made)


async def test_what_is_no_kind_is_never_counted(cluster: Cluster, namespace: str) -> None:
    assert not await counted(cluster, definition("nothings"), namespace, seconds=3)

"""Waiting until the cluster's quota controller counts a kind that was just defined.

It looks for new kinds every 30 s. A ResourceQuota made before it knew a kind forbids every create of that kind ("status
unknown for quota") until it is synchronised again, five minutes later: so on a new cluster the tenants' quotas have to
come after this.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from forge_core.cluster import Cluster, Conflict, NotFound, Raw, core

NAME: Final = "forge-counting"
LOOKS: Final = 10
LOOK_SECONDS: Final = 0.2
SECONDS: Final = 90.0


async def counted(cluster: Cluster, definition: Raw, namespace: str, seconds: float = SECONDS) -> bool:
    """Whether the kind of a CustomResourceDefinition came to be counted within `seconds`.

    Asked by a ResourceQuota in `namespace`, made anew for each look because a made one is looked at only once.
    """
    resource = f"count/{definition['metadata']['name']}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await _used(cluster, resource, namespace):
            return True
    return False


async def _used(cluster: Cluster, resource: str, namespace: str) -> bool:
    metadata = {"name": NAME, "namespace": namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {resource: "1000000"}}}
    path = core("resourcequotas", namespace, NAME)
    with suppress(Conflict):  # of a run that was killed: it goes with this one
        await cluster.create(core("resourcequotas", namespace), quota)
    try:
        for _ in range(LOOKS):
            status = (await cluster.get(path)).get("status", {})
            if "used" in status:
                return resource in status["used"]
            await asyncio.sleep(LOOK_SECONDS)
        return False
    finally:
        with suppress(NotFound):
            await cluster.delete(path)

"""The little of the Kubernetes API that is needed while a person or a runner waits for an answer.

One method, so that tests can hold a small one in memory.
"""

from typing import Final, Protocol

from forge_core.cluster import JSON_PATCH, MERGE_PATCH, Call, Raw
from forge_core.names import FIELD_MANAGER

SECONDS: Final = 5.0
"""Of one question to the cluster."""


class Kubernetes(Protocol):
    """`forge_core.cluster.Cluster` is one."""

    async def request(self, call: Call) -> Raw:
        """One request and its JSON answer. Raises ClusterError's kinds."""
        ...


async def read(kube: Kubernetes, path: str, **query: str) -> Raw:
    """GET. Raises ClusterError."""
    return await kube.request(Call("GET", path, query, seconds=SECONDS))


async def create(kube: Kubernetes, path: str, body: Raw) -> Raw:
    """POST, refused when the schema doesn't know a field. Raises ClusterError."""
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    return await kube.request(Call("POST", path, query, body, seconds=SECONDS))


async def merge(kube: Kubernetes, path: str, body: Raw) -> Raw:
    """Merge patch. Raises ClusterError."""
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    return await kube.request(Call("PATCH", path, query, body, MERGE_PATCH, seconds=SECONDS))


async def edit(kube: Kubernetes, path: str, steps: list[Raw]) -> Raw:
    """JSON patch (RFC 6902). Raises ClusterError."""
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    return await kube.request(Call("PATCH", path, query, steps, JSON_PATCH, seconds=SECONDS))


async def remove(kube: Kubernetes, path: str) -> Raw:
    """DELETE. Raises ClusterError."""
    return await kube.request(Call("DELETE", path, {}, {"propagationPolicy": "Background"}, seconds=SECONDS))

"""The little of the Kubernetes API that this program needs: one method, so tests can hold a small one in memory."""

from typing import Final

from forge_core.cluster import JSON_PATCH, MERGE_PATCH, Call, Raw
from forge_core.identity import Kubernetes
from forge_core.names import FIELD_MANAGER

__all__ = ["Kubernetes", "create", "edit", "merge", "read", "remove"]

SECONDS: Final = 5.0
"""A person or a runner waits for the answer."""


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

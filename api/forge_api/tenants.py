"""Which namespaces belong to a tenant, and with which labels: as the cluster said lately."""

from collections.abc import Mapping
from typing import Final

from forge_api.looked_up import LookedUp
from forge_core.cluster import Raw, core
from forge_core.kube import Kubernetes
from forge_core.names import TENANT_LABEL

Labels = Mapping[str, str]
_NONE: Final[Mapping[str, Labels]] = {}


class Tenants:
    """Tenant = a namespace labelled forge-factory.dev/tenant; of several the first by name takes submissions."""

    def __init__(self, kube: Kubernetes) -> None:
        self._found = LookedUp(kube, core("namespaces"), _by_tenant, labelSelector=TENANT_LABEL)

    async def namespace(self, tenant: str) -> str | None:
        """The tenant's namespace, None when no namespace carries its label. Raises ClusterError."""
        return next(iter(await self.namespaces(tenant)), None)

    async def namespaces(self, tenant: str) -> tuple[str, ...]:
        """All that are the tenant's, by name. Raises ClusterError."""
        return tuple(await self._found.get(tenant) or _NONE)

    async def labels(self, tenant: str, namespace: str) -> Labels:
        """Those of one of the tenant's namespaces; none of any other. Raises ClusterError."""
        return (await self._found.get(tenant) or _NONE).get(namespace, {})


def _by_tenant(items: list[Raw]) -> dict[str, dict[str, Labels]]:
    named: dict[str, dict[str, Labels]] = {}
    for item in sorted(items, key=lambda item: str(item["metadata"]["name"])):
        if item.get("status", {}).get("phase") != "Terminating":
            labels = item["metadata"]["labels"]
            named.setdefault(labels[TENANT_LABEL], {})[item["metadata"]["name"]] = labels
    return named

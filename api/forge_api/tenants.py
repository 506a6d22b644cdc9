"""Which namespace belongs to a tenant: asked of the cluster, kept for half a minute, and longer while it is away."""

import asyncio
import time
from typing import Final

from forge_api.kube import Kubernetes, read
from forge_core.cluster import ClusterError, core
from forge_core.logs import get_logger
from forge_core.names import TENANT_LABEL

KEEP_SECONDS: Final = 30.0
UNKNOWN_SECONDS: Final = 2.0
"""A tenant that isn't known is looked for again after this long: it may have been made just now."""
log = get_logger("api.tenants")


class Tenants:
    """Tenant = a namespace labelled forge-factory.dev/tenant; of several the first by name takes submissions."""

    def __init__(self, kube: Kubernetes) -> None:
        self._kube = kube
        self._namespaces: dict[str, list[str]] | None = None
        self._asked = 0.0
        self._lock = asyncio.Lock()

    async def namespace(self, tenant: str) -> str | None:
        """The tenant's namespace, None when no namespace carries its label. Raises ClusterError."""
        return next(iter(await self.namespaces(tenant)), None)

    async def namespaces(self, tenant: str) -> tuple[str, ...]:
        """All that are the tenant's, by name. Raises ClusterError."""
        known = self._namespaces is not None and tenant in self._namespaces
        if self._age() > (KEEP_SECONDS if known else UNKNOWN_SECONDS):
            async with self._lock:
                if self._age() > (KEEP_SECONDS if known else UNKNOWN_SECONDS):
                    await self._ask()
        return tuple((self._namespaces or {}).get(tenant, ()))

    def _age(self) -> float:
        return float("inf") if self._namespaces is None else time.monotonic() - self._asked

    async def _ask(self) -> None:
        try:
            found = await read(self._kube, core("namespaces"), labelSelector=TENANT_LABEL)
        except ClusterError as error:
            if self._namespaces is None:
                raise
            log.warning("tenants can't be looked up: the last answer stays", error=str(error))
        else:
            named: dict[str, list[str]] = {}
            for item in sorted(found.get("items", []), key=lambda item: str(item["metadata"]["name"])):
                if item.get("status", {}).get("phase") != "Terminating":
                    named.setdefault(item["metadata"]["labels"][TENANT_LABEL], []).append(item["metadata"]["name"])
            self._namespaces = named
        self._asked = time.monotonic()

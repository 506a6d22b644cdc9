"""Each tenant's Redis user is there, on every node, whatever became of Redis in between.

Users are neither replicated nor kept over a restart, so they are set again at each change of the servers' run ids,
looked at every two seconds, and every 30 s in any case.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable
from typing import Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError, core
from forge_core.messages import ProgressUnavailable
from forge_core.names import REDIS_SECRET
from forge_core.progress import Progress

LOOK_SECONDS: Final = 2.0
RESET_SECONDS: Final = 30.0

Tenants = Callable[[], Iterable[tuple[str, str]]]
"""(tenant, namespace) of each namespace that is served."""

_log = logs.get_logger(__name__)


class RedisUsers:
    """Keeps the users; `available` says whether Redis answered last."""

    def __init__(self, cluster: Cluster, progress: Progress, tenants: Tenants) -> None:
        self._cluster = cluster
        self._progress = progress
        self._tenants = tenants
        self._servers: frozenset[str] = frozenset()
        self._known: frozenset[tuple[str, str]] = frozenset()
        self._next = 0.0
        self._complained: set[str] = set()
        self.available = False

    async def keep(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look(time.monotonic())
            except ProgressUnavailable as error:
                self._became(available=False, why=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, now: float) -> bool:
        """Set the users if Redis is another one than before, tenants changed, or it is time; whether that was so.

        Raises ProgressUnavailable.
        """
        servers = await self._progress.servers()
        self._became(available=True)
        tenants = frozenset(self._tenants())
        if servers == self._servers and tenants == self._known and now < self._next:
            return False
        for tenant, namespace in sorted(tenants):
            password = await self._password(namespace)
            if password:
                await self._progress.set_user(tenant, password)
        self._servers, self._known, self._next = servers, tenants, now + RESET_SECONDS
        return True

    async def _password(self, namespace: str) -> str:
        """The password of a namespace's Secret, "" when it can't be had (said once)."""
        try:
            secret = await self._cluster.get(core("secrets", namespace, REDIS_SECRET))
            password = base64.b64decode((secret.get("data") or {})["password"]).decode()
        except (ClusterError, KeyError, ValueError) as error:
            if namespace not in self._complained:
                self._complained.add(namespace)
                _log.warning("no Redis password for a tenant: its jobs show no progress", namespace=namespace,
                             secret_name=REDIS_SECRET, error=str(error))  # fmt: skip
            return ""
        self._complained.discard(namespace)
        return password

    def _became(self, *, available: bool, why: str = "") -> None:
        if available != self.available:
            self.available = available
            _log.info("Redis answers" if available else "Redis is away: progress may gap", error=why)
        if not available:
            self._servers = frozenset()

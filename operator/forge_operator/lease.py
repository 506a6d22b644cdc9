"""One active operator: a Lease is held, or nothing is written. `held` is never true after another could have taken it.

The clocks of two machines are never compared: a rival's Lease is free when its renewal has not been seen to move for
its whole duration, by this process's own monotonic clock (as client-go does it).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from forge_core import logs
from forge_core.cluster import Cluster, ClusterError, Conflict, NotFound, Raw, leases
from forge_core.names import LEASE

DURATION: Final = 20
"""Seconds for which a Lease holds after its last renewal. A restarted container is the same holder, so needn't wait."""
RENEW_SECONDS: Final = 4.0
RETRY_SECONDS: Final = 1.0
TRY_SECONDS: Final = 7.0
"""For one renewal: an API server that is only slow costs nobody the Lease."""
MARGIN: Final = 3.0
"""Seconds before the end of the duration at which the holder stops by itself; a write in flight gets that long."""

_log = logs.get_logger(__name__)


@dataclass(frozen=True)
class _Seen:
    """What another holder last wrote, and when that was first seen (monotonic)."""

    holder: str
    renewed: str
    at: float


class Lease:
    """The Lease `forge-operator` of one namespace, for one identity."""

    def __init__(
        self, cluster: Cluster, namespace: str, identity: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._until = 0.0
        self._own: Raw | None = None
        """As it was written last: a renewal needs no read before."""
        self._seen = _Seen("", "", 0.0)

    @property
    def held(self) -> bool:
        """Whether this process may write."""
        return self._clock() < self._until

    @property
    def holder(self) -> str:
        """Who holds it as far as is known."""
        return self._identity if self.held else self._seen.holder

    async def keep(self) -> None:
        """Acquire and renew for ever."""
        was = False
        while True:
            pause = RENEW_SECONDS
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    await self.renew()
            except (ClusterError, TimeoutError) as error:
                pause = RETRY_SECONDS
                why = str(error) or f"no answer within {TRY_SECONDS:g} s"
                _log.warning("the Lease could not be renewed", error=why, held=self.held)
            if self.held != was:
                was = self.held
                _log.info("holding the Lease" if was else "standing by", holder=self.holder)
            await asyncio.sleep(pause if was else min(pause, RENEW_SECONDS / 2))

    async def renew(self) -> None:
        """One try. Raises ClusterError when the API server can't be asked."""
        began = self._clock()
        if self.held and self._own is not None and await self._write(began, self._own):
            return
        current = await self._read()
        spec = (current or {}).get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        free = holder in {"", self._identity} or self._expired(holder, spec, began)
        if not free or not await self._write(began, current):
            self._until = 0.0

    async def _read(self) -> Raw | None:
        try:
            return await self._cluster.get(leases(self._namespace, LEASE))
        except NotFound:
            return None

    def _expired(self, holder: str, spec: Raw, now: float) -> bool:
        renewed = str(spec.get("renewTime") or "")
        if (holder, renewed) != (self._seen.holder, self._seen.renewed):
            self._seen = _Seen(holder, renewed, now)
        return now - self._seen.at > float(spec.get("leaseDurationSeconds") or DURATION)

    async def _write(self, began: float, current: Raw | None) -> bool:
        """Write as the holder, from `current` as it was last seen; False when somebody else wrote since."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: Raw = {"holderIdentity": self._identity, "leaseDurationSeconds": DURATION, "renewTime": now}
        old = (current or {}).get("spec") or {}
        if old.get("holderIdentity") != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": int(old.get("leaseTransitions") or 0) + 1}
        try:
            if current is None:
                body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}}
                self._own = await self._cluster.create(leases(self._namespace), {**body, "spec": spec})
            else:
                version = current["metadata"]["resourceVersion"]
                patch = {"metadata": {"resourceVersion": version}, "spec": spec}
                self._own = await self._cluster.patch(leases(self._namespace, LEASE), patch)
        except (Conflict, NotFound):
            self._own = None
            return False
        self._until = began + DURATION - MARGIN
        return True

    async def release(self) -> None:
        """Let a successor begin at once. Does nothing when it isn't held or the API server can't be asked."""
        if not self.held:
            return
        self._until = 0.0
        try:
            current = await self._cluster.get(leases(self._namespace, LEASE))
            if (current.get("spec") or {}).get("holderIdentity") == self._identity:
                version = current["metadata"]["resourceVersion"]
                patch: Raw = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": ""}}
                await self._cluster.patch(leases(self._namespace, LEASE), patch)
        except ClusterError as error:
            _log.info("the Lease was not released and will run out", error=str(error))

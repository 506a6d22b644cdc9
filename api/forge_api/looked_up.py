"""What the cluster is asked for as a whole and seldom: kept for half a minute, and longer while the cluster is away."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from forge_core.cluster import ClusterError, Raw
from forge_core.kube import Kubernetes, read
from forge_core.logs import get_logger

KEEP_SECONDS: Final = 30.0
UNKNOWN_SECONDS: Final = 2.0
"""What isn't known is looked for again after this long: it may have been made just now."""
log = get_logger("api.cluster")
Found = TypeVar("Found")


class LookedUp(Generic[Found]):
    """The objects of one path by a key; `keyed` makes the mapping of a whole list's items."""

    def __init__(
        self, kube: Kubernetes, path: str, keyed: Callable[[list[Raw]], Mapping[str, Found]], **query: Any
    ) -> None:
        self._kube = kube
        self._path = path
        self._keyed = keyed
        self._query = query
        self._found: Mapping[str, Found] | None = None
        self._asked = 0.0
        self._lock = asyncio.Lock()

    async def get(self, key: str) -> Found | None:
        """None when there is no such thing. Raises ClusterError when the cluster is away and never answered."""
        known = self._found is not None and key in self._found
        if self._age() > (KEEP_SECONDS if known else UNKNOWN_SECONDS):
            async with self._lock:
                if self._age() > (KEEP_SECONDS if known else UNKNOWN_SECONDS):
                    await self._ask()
        return (self._found or {}).get(key)

    def _age(self) -> float:
        return float("inf") if self._found is None else time.monotonic() - self._asked

    async def _ask(self) -> None:
        try:
            answer = await read(self._kube, self._path, **self._query)
        except ClusterError as error:
            if self._found is None:
                raise
            log.warning("the last answer stays: the cluster can't be asked", path=self._path, error=str(error))
        else:
            self._found = self._keyed(answer.get("items", []))
        self._asked = time.monotonic()

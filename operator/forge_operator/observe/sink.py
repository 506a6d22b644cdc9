"""The one door into the picture: whoever saw an object hands it in here, and the recorder and the loop hear of it."""

import asyncio
from collections.abc import Callable, Collection

from forge_core.cluster import Raw
from forge_core.names import TENANT_LABEL
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics
from forge_operator.picture import Change, Picture
from forge_operator.reading import text, texts

_EVERYWHERE = frozenset({Kind.JOB_QUEUE, Kind.NODE})


class Sink:
    """Feeds `picture`; tells each change to `listener` and wakes the loop by `dirty`.

    With `served`, the tenants of this installation, everything of other namespaces is passed over.
    """

    def __init__(
        self, picture: Picture, metrics: Metrics, listener: Callable[[Change], None], served: frozenset[str]
    ) -> None:
        self.picture = picture
        self.dirty = asyncio.Event()
        self.relist = asyncio.Event()
        """Set when a namespace began to be served: what is in it was passed over before."""
        self._metrics = metrics
        self._listener = listener
        self._served = served

    def seen(self, kind: Kind, event: str | None, raw: Raw, source: str) -> None:
        """Take in an object of a watch (`event` ADDED, MODIFIED, DELETED), a list or an answer (None)."""
        self._metrics.events.labels(kind.value, source).inc()
        if not self._concerns(kind, raw):
            return
        change = self.picture.observe(kind, event, raw)
        if change is not None:
            self._tell(change)

    def listed(self, kind: Kind, uids: Collection[str], version: int) -> None:
        """A complete list of a kind ended."""
        for change in self.picture.relisted(kind, uids, version):
            self._tell(change)
        self.dirty.set()

    def _tell(self, change: Change) -> None:
        if change.kind is Kind.NAMESPACE and change.before is None and self._served:
            self.relist.set()
        self._listener(change)
        self.dirty.set()

    def _concerns(self, kind: Kind, raw: Raw) -> bool:
        if not self._served or kind in _EVERYWHERE:
            return True
        if kind is Kind.NAMESPACE:
            known = text(raw, "metadata", "name") in self.picture.namespaces
            return known or texts(raw, "metadata", "labels").get(TENANT_LABEL) in self._served
        return text(raw, "metadata", "namespace") in self.picture.namespaces

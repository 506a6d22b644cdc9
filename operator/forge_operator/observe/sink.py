"""The one door into the picture: whoever saw an object hands it in here, and the recorder and the loop hear of it."""

import asyncio
import time
from collections.abc import Callable, Collection

from forge_core import logs
from forge_core.cluster import Raw
from forge_core.names import INSTALLATION_LABEL
from forge_operator.digests import AnyDigest, Kind, NamespaceDigest
from forge_operator.held import IN_NAMESPACES, Change
from forge_operator.metrics import Metrics
from forge_operator.picture import Picture
from forge_operator.reading import text, texts

_log = logs.get_logger(__name__)
_EVERYWHERE = frozenset({Kind.JOB_QUEUE, Kind.NODE})


class Sink:
    """Feeds `picture`; tells each change to `listener` and wakes the loop by `dirty`.

    What is in namespaces of another installation is passed over. What is in namespaces that no tenant owns is the
    nameless installation's, which says so in its status.
    """

    def __init__(
        self, picture: Picture, metrics: Metrics, listener: Callable[[Change], None], installation: str = ""
    ) -> None:
        self.picture = picture
        self.dirty = asyncio.Event()
        self.relist = asyncio.Event()
        """Set when a namespace began to be served: what is in it was passed over before."""
        self.epoch = 0
        """How many namespaces have begun to be served: a list begun before may lack what is in the last one."""
        self.metrics = metrics
        self._listener = listener
        self._installation = installation
        self._foreign: set[str] = set()
        self._unheeded: float | None = None

    def seen(self, kind: Kind, event: str | None, raw: Raw, source: str) -> None:
        """Take in an object of a watch (`event` ADDED, MODIFIED, DELETED), a list or an answer (None)."""
        self.metrics.events.labels(kind.value, source).inc()
        if kind is Kind.NAMESPACE:
            event = self._sort(event, raw)
        elif kind not in _EVERYWHERE and not self._serves(text(raw, "metadata", "namespace")):
            return
        change = self.picture.observe(kind, event, raw)
        if change is not None:
            self._tell(change)

    def listed(self, kind: Kind, uids: Collection[str], version: int, epoch: int | None = None) -> None:
        """A complete list of a kind ended; one begun in another `epoch` has gaps and doesn't count."""
        if kind in IN_NAMESPACES and epoch not in {None, self.epoch}:
            self.relist.set()
            return
        for change in self.picture.relisted(kind, uids, version):
            self._tell(change)
        self._changed()

    def heed(self) -> float:
        """When (monotonic) the first change came that no decision has seen yet; now when there is none."""
        since, self._unheeded = self._unheeded, None
        return time.monotonic() if since is None else since

    def _tell(self, change: Change) -> None:
        if isinstance(change.after, NamespaceDigest):
            _warn(change.before, change.after)
        self._listener(change)
        if change.kind is not Kind.PULL:  # nothing is decided by it
            self._changed()

    def _changed(self) -> None:
        if self._unheeded is None:
            self._unheeded = time.monotonic()
        self.dirty.set()

    def _serves(self, namespace: str) -> bool:
        if namespace in self._foreign:
            return False
        return not self._installation or namespace in self.picture.namespaces

    def _sort(self, event: str | None, raw: Raw) -> str | None:
        """A namespace of another installation is, for this one, a namespace that was deleted."""
        name = text(raw, "metadata", "name")
        ours = texts(raw, "metadata", "labels").get(INSTALLATION_LABEL, "") == self._installation
        if not ours and event != "DELETED":
            self._foreign.add(name)
            return "DELETED"
        passed_over = name in self._foreign or (self._installation and name not in self.picture.namespaces)
        if passed_over and event != "DELETED":
            # A job whose pods aren't seen would be taken for one that never began: nothing is decided before a relist.
            self.epoch += 1
            self.picture.reopen()
            self.relist.set()
        self._foreign.discard(name)
        return event


def _warn(before: AnyDigest | None, after: NamespaceDigest) -> None:
    """Once for each annotation that is written wrong, not at each event of its namespace."""
    told = before.problem if isinstance(before, NamespaceDigest) else ""
    if after.problem and after.problem != told:
        _log.warning("a namespace's annotation is ignored", namespace=after.name, problem=after.problem)

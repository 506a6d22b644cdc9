"""Every object as it was last seen, by kind and UID: what is older than that, or was deleted, doesn't come back."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from forge_operator.digesting import read
from forge_operator.digests import AnyDigest, Kind
from forge_operator.reading import part, text, whole

REQUIRED: Final = frozenset(kind for kind in Kind if kind not in {Kind.EVENT, Kind.PULL})
"""Nothing is decided before a first complete list of each of these."""
IN_NAMESPACES: Final = frozenset({Kind.ANALYSIS_JOB, Kind.JOB, Kind.POD})
PASSING: Final = frozenset({Kind.EVENT, Kind.PULL})
"""Kinds that are heard and not kept."""
TOMBSTONES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """What an observation changed; `after` is None when the object is gone."""

    kind: Kind
    before: AnyDigest | None
    after: AnyDigest | None


class Held:
    """Digests, the versions of what was deleted, and which kinds have been listed whole."""

    def __init__(self) -> None:
        self._held: dict[Kind, dict[str, AnyDigest]] = {kind: {} for kind in Kind}
        self._tombstones: dict[str, int] = {}
        self._complete: set[Kind] = set()

    def take(self, kind: Kind, event: str | None, raw: object) -> Change | None:
        """Take in a raw object; None when it is none of ours, or older than what is held."""
        uid, version = text(raw, "metadata", "uid"), whole(part(raw, "metadata"), "resourceVersion")
        before = self._held[kind].get(uid)
        if version <= self._tombstones.get(uid, -1):
            return None
        if event == "DELETED":
            if before is not None and version < before.version:
                return None
            self._bury(uid, version)
            return self._remove(kind, before) if before is not None else None
        if before is not None and version <= before.version:
            return None
        after = read(kind, raw)
        if after is None:
            return self._remove(kind, before) if before is not None else None
        if kind not in PASSING:
            self._held[kind][after.uid] = after
        return Change(kind, before, after)

    def relisted(self, kind: Kind, seen: Collection[str], version: int) -> list[Change]:
        """A complete list ended; answers what was last seen at or before `version` and isn't in it."""
        self._complete.add(kind)
        lost = [held for uid, held in self._held[kind].items() if uid not in seen and held.version <= version]
        for held in lost:
            self._bury(held.uid, held.version)
        return [self._remove(kind, held) for held in lost]

    def reopen(self) -> None:
        """The lists of what namespaces hold count no more."""
        self._complete -= IN_NAMESPACES

    @property
    def missing(self) -> frozenset[Kind]:
        """The kinds of which no complete list came yet."""
        return REQUIRED - self._complete

    def of(self, kind: Kind) -> Collection[AnyDigest]:
        """All digests of a kind."""
        return self._held[kind].values()

    def get(self, kind: Kind, uid: str) -> AnyDigest | None:
        """One of them."""
        return self._held[kind].get(uid)

    def _remove(self, kind: Kind, before: AnyDigest) -> Change:
        del self._held[kind][before.uid]
        return Change(kind, before, None)

    def _bury(self, uid: str, version: int) -> None:
        self._tombstones[uid] = version
        while len(self._tombstones) > TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]

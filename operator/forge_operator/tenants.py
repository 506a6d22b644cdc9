"""What holds for a tenant: its weight in a queue's fair share, and how many of its jobs may run at once.

Both are annotations of the tenant's namespaces. Where several namespaces of one tenant differ, the largest weight and
the smallest cap count; one that says nothing doesn't count.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from forge_operator.digests import NamespaceDigest

DEFAULT_WEIGHT: Final = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """One tenant's weight, and its cap (None is none)."""

    weight: int = DEFAULT_WEIGHT
    cap: int | None = None


class Tenants:
    """The terms by tenant, kept as namespaces come and go. `default_cap` is for tenants that name none."""

    def __init__(self, default_cap: int | None = None) -> None:
        self._default = Terms(cap=default_cap)
        self._namespaces: dict[str, dict[str, NamespaceDigest]] = defaultdict(dict)
        self._terms: dict[str, Terms] = {}

    def of(self, tenant: str) -> Terms:
        """The terms of a tenant, the default ones of an unknown one."""
        return self._terms.get(tenant, self._default)

    def changed(self, before: NamespaceDigest | None, after: NamespaceDigest | None) -> None:
        """A namespace came, changed or went."""
        if before is not None:
            self._namespaces[before.tenant].pop(before.uid, None)
        if after is not None:
            self._namespaces[after.tenant][after.uid] = after
        for tenant in {digest.tenant for digest in (before, after) if digest is not None}:
            self._settle(tenant)

    def _settle(self, tenant: str) -> None:
        namespaces = self._namespaces[tenant].values()
        if not tenant or not namespaces:
            self._terms.pop(tenant, None)
            return
        weights = [found.weight for found in namespaces if found.weight is not None]
        caps = [found.max_running for found in namespaces if found.max_running is not None]
        self._terms[tenant] = Terms(max(weights, default=DEFAULT_WEIGHT), min(caps, default=self._default.cap))

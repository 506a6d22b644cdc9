"""Whose turn it is: the tenant with the smallest share of a queue, then aged priority, creation and name.

A share is the tenant's running jobs by its weight. Shares are compared as whole numbers over the weights' common
multiple, so that no rounding ever puts one tenant before another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import lcm

from forge_operator.placing import Turn


@dataclass(slots=True)
class Standing:
    """How the tenants stand in a queue. Whoever admits or refuses the job just given changes it; the rest follows."""

    tenant_of: Callable[[str], str]
    """By namespace: two namespaces of one tenant are one tenant."""
    weight_of: Callable[[str], int]
    running: dict[str, int]
    """Jobs of each tenant that hold a slot of the queue."""
    passed: set[str] = field(default_factory=set)
    """Tenants none of whose further jobs can start."""


def in_turn(waiting: Mapping[str, Sequence[Turn]], standing: Standing) -> Iterator[Turn]:
    """The waiting jobs of one queue, in the order in which they may start.

    `waiting` holds each namespace's jobs in the order of their turns.
    """
    tenants = {namespace: standing.tenant_of(namespace) for namespace in waiting}
    scale = lcm(*(standing.weight_of(tenant) for tenant in tenants.values()))
    factor = {tenant: scale // standing.weight_of(tenant) for tenant in tenants.values()}

    def share(namespace: str) -> int:
        tenant = tenants[namespace]
        return standing.running.get(tenant, 0) * factor[tenant]

    heap = [(share(namespace), turns[0], namespace, 0) for namespace, turns in waiting.items() if turns]
    heapify(heap)
    while heap:
        then, turn, namespace, index = heappop(heap)
        if tenants[namespace] in standing.passed:
            continue
        if (now := share(namespace)) != then:
            heappush(heap, (now, turn, namespace, index))
            continue
        yield turn
        if index + 1 < len(waiting[namespace]):
            heappush(heap, (share(namespace), waiting[namespace][index + 1], namespace, index + 1))

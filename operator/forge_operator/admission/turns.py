"""Whose turn it is: the tenant with the fewest running jobs first, then aged priority, creation and name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from forge_operator.placing import Turn


def in_turn(
    waiting: Mapping[str, Sequence[Turn]], tenant_of: Callable[[str], str], running: dict[str, int]
) -> Iterator[Turn]:
    """The waiting jobs of one queue, in the order in which they may start.

    `waiting` holds each namespace's jobs in the order of their turns. `running` counts each tenant's jobs; whoever
    admits the job just given raises it, and the order of the rest follows.
    """
    heap = [(running.get(tenant_of(ns), 0), turns[0], ns, 0) for ns, turns in waiting.items() if turns]
    heapify(heap)
    while heap:
        share, turn, namespace, index = heappop(heap)
        current = running.get(tenant_of(namespace), 0)
        if current != share:
            heappush(heap, (current, turn, namespace, index))
            continue
        yield turn
        if index + 1 < len(waiting[namespace]):
            current = running.get(tenant_of(namespace), 0)
            heappush(heap, (current, waiting[namespace][index + 1], namespace, index + 1))

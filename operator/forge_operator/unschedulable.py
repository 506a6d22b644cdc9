"""Why no node takes a pod, as a person reads it: the scheduler's own words, what the pod needs and what is free.

The scheduler says only that there is too little ("2 Insufficient cpu"). What is free is what nodes offer less what our
own pods there ask for; pods of others aren't counted, so it is an upper bound and said to be one.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from forge_core.quantities import format_cores, format_memory

_WHOLE: Final = re.compile(r"0/([0-9]{1,6}) nodes are available: (.{1,2000}?)\.(?:\s|$)")
_CAUSE: Final = re.compile(r"([0-9]{1,6}) (.{1,300})")
_SEPARATOR: Final = re.compile(r", (?=[0-9]+ )")
_SHORT: Final = {"Insufficient cpu": "with too little CPU", "Insufficient memory": "with too little memory"}


@dataclass(frozen=True, slots=True)
class Amounts:
    """CPU in thousandths of a core, memory in MiB."""

    cpu: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """What the nodes that may take runners have: the most that any one offers, and the most that is free on one."""

    most: Amounts
    free: Amounts


def room_of(nodes: Iterable[tuple[Amounts, Amounts]]) -> Room | None:
    """The room on nodes, each with what it offers and what is asked for on it; None without nodes."""
    found = list(nodes)
    if not found:
        return None
    most = Amounts(max(has.cpu for has, _ in found), max(has.memory for has, _ in found))
    cpu = max(has.cpu - used.cpu for has, used in found)
    memory = max(has.memory - used.memory for has, used in found)
    return Room(most, Amounts(max(cpu, 0), max(memory, 0)))


@lru_cache(maxsize=512)
def causes_of(message: str) -> tuple[int, tuple[tuple[int, str], ...]] | None:
    """How many nodes there are, and (how many, why not) of them; None when the scheduler's words can't be read."""
    whole = _WHOLE.match(message)
    if whole is None:
        return None
    parts = [_CAUSE.fullmatch(part) for part in _SEPARATOR.split(whole[2])]
    found = tuple((int(part[1]), part[2]) for part in parts if part is not None)
    return (int(whole[1]), found) if len(found) == len(parts) else None


def why_unschedulable(message: str, needs: Amounts, room: Room | None) -> str:
    """The second half of a sentence: what is needed, what is free, what follows; else the scheduler's words."""
    found = causes_of(message)
    if found is None:
        return message
    total, causes = found
    counts = f"of {total} nodes " + ", ".join(f"{count} {_SHORT.get(cause, cause)}" for count, cause in causes)
    lacking = [lack for lack in _lacks(needs, room) if lack.cause in {cause for _, cause in causes} and lack.needs]
    if not lacking:
        return counts
    figures = ", ".join(lack.words() for lack in lacking)
    if any(lack.room is not None and lack.needs > lack.room[1] for lack in lacking):
        return f"{figures} ({counts}); no node is that large: choose a smaller spec.resourceClass"
    return f"{figures} ({counts}); it starts once one has room"


@dataclass(frozen=True, slots=True)
class _Lack:
    cause: str
    show: Callable[[int], str]
    needs: int
    room: tuple[int, int] | None
    """The most that is free on one node, and the most that one offers."""

    def words(self) -> str:
        free = "" if self.room is None else f", at most {self.show(self.room[0])} free on any"
        return f"needs {self.show(self.needs)}{free}"


def _lacks(needs: Amounts, room: Room | None) -> tuple[_Lack, _Lack]:
    cpu = (room.free.cpu, room.most.cpu) if room else None
    memory = (room.free.memory, room.most.memory) if room else None
    return (
        _Lack("Insufficient cpu", format_cores, needs.cpu, cpu),
        _Lack("Insufficient memory", format_memory, needs.memory, memory),
    )

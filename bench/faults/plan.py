"""Which fault comes when: made from a seed alone, so that a failure can be run again."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

KILL: Final = "operator killed"
AFTER: Final = (0.1, 1.2)
"""Seconds between a fault's end and the next fault, at least and at most."""
BESIDE: Final = 12
"""So many rounds are brought about while one that takes minutes lasts, at most."""


@dataclass(frozen=True)
class Round:
    """One fault. `after` is the pause before it; `kill_after` when the operator is killed within it, None: it isn't."""

    number: int
    fault: str
    after: float
    kill_after: float | None


def rounds(seed: int, times: Mapping[str, int]) -> list[Round]:
    """Each fault `times` over alone, and as often with the operator killed within it, in an order of the seed's."""
    chance = random.Random(seed)
    wanted = [(fault, False) for fault, many in times.items() for _ in range(many)]
    wanted += [(fault, True) for fault, many in times.items() if fault != KILL for _ in range(many)]
    chance.shuffle(wanted)
    return [
        Round(number, fault, round(chance.uniform(*AFTER), 3), round(chance.uniform(0.0, 4.0), 3) if paired else None)
        for number, (fault, paired) in enumerate(wanted)
    ]


@dataclass(frozen=True)
class Turn:
    """A round, and those that are brought about one after the other from its beginning on."""

    first: Round
    beside: tuple[Round, ...] = ()


def turns(plan: Sequence[Round], slow: Collection[str], apart: Collection[str]) -> list[Turn]:
    """All rounds: beside each of a `slow` fault the next ones of faults that need nothing of what it takes away."""
    left, found = list(plan), []
    while left:
        first, *left = left
        fit = [each for each in left if each.fault in apart] if first.fault in slow else []
        beside = tuple(fit[:BESIDE])
        left = [each for each in left if each not in beside]
        found.append(Turn(first, beside))
    return found

"""Which fault comes when: made from a seed alone, so that a failure can be run again."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

KILL = "operator killed"


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
        Round(number, fault, round(chance.uniform(0.2, 2.5), 3), round(chance.uniform(0.0, 4.0), 3) if paired else None)
        for number, (fault, paired) in enumerate(wanted)
    ]

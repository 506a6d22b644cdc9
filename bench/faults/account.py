"""What a run has found so far, kept between runs: a leg that was checked is not done again."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.faults.plan import Round

LEG: Final = 120
"""Rounds after which the load runs out and everything is checked."""
_LONGEST: Final = "settle_s"


@dataclass
class Account:
    """The results of the legs that were checked, in `path`: `rounds` and other numbers, and counts by name."""

    path: Path

    def legs(self) -> list[dict[str, Any]]:
        """In their order."""
        found: list[dict[str, Any]] = json.loads(self.path.read_text()) if self.path.exists() else []
        return found

    def left(self, plan: Sequence[Round]) -> list[list[Round]]:
        """The legs that are still to be done."""
        done = sum(leg["rounds"] for leg in self.legs())
        return [list(plan[start : start + LEG]) for start in range(done, len(plan), LEG)]

    def add(self, leg: dict[str, Any]) -> None:
        """Note a leg, whole or not at all."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps([*self.legs(), leg]))
        new.replace(self.path)

    def close(self) -> None:
        """Forget all: the next run with this seed begins anew."""
        self.path.unlink(missing_ok=True)


def total(legs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Numbers and counts summed up; of the settling times the longest."""
    found: dict[str, Any] = {"legs": len(legs), "violations": 0}
    for leg in legs:
        for key, value in leg.items():
            if isinstance(value, dict):
                found[key] = dict(Counter(found.get(key, {})) + Counter(value))
            elif key == _LONGEST:
                found[key] = max(found.get(key, 0), value)
            else:
                found[key] = found.get(key, 0) + value
    return found

"""Who used this machine's processors: time by program, as far as its /proc shows the cluster's own processes.

kind's nodes are containers of this machine, so where Docker runs on it all of the control plane is seen; elsewhere
(Docker Desktop) only the benchmark itself is.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MOST: Final = 12
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PYTHON: Final = "python"

Times = Mapping[tuple[int, str], float]
"""Seconds of processor time by (process, program)."""


def times(proc: Path = Path("/proc")) -> Times:
    """Of each process that is there now."""
    found = {}
    for stat in proc.glob("[0-9]*/stat"):
        try:
            text, words = stat.read_text(), stat.with_name("cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        name, _, rest = text.partition("(")[2].rpartition(")")
        numbers = rest.split()
        found[int(stat.parent.name), _program(name, words)] = (int(numbers[11]) + int(numbers[12])) / _TICKS
    return found


def _program(name: str, words: list[str]) -> str:
    """Python programs by their module: `python -m forge_operator`."""
    if name.startswith(_PYTHON) and "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return name.split("/", maxsplit=1)[0]  # kworker/1:1 is one of many


def used(before: Times, after: Times, objects: int) -> dict[str, float]:
    """Milliseconds for each of so many objects, by program, of those that used most."""
    total: defaultdict[str, float] = defaultdict(float)
    for process, seconds in after.items():
        total[process[1]] += seconds - before.get(process, 0.0)
    most = sorted(total.items(), key=lambda each: -each[1])[:MOST]
    return {name: round(1000 * seconds / objects, 1) for name, seconds in most if seconds > 0}

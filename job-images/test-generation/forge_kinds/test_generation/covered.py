"""Coverage as sets of items, so that gains are differences: a statement (path, line), or a branch (path, from, to)."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from forge_kinds.test_generation.answers import FileCoverage, Touched

Statement = tuple[str, int]
Branch = tuple[str, int, int]
Item = Statement | Branch
Items = Set[Item]


def items_of(touched: Mapping[str, Touched], known: Set[str]) -> frozenset[Item]:
    """What was covered, in files that were asked for."""
    found: set[Item] = set()
    for path in known & touched.keys():
        found |= {(path, line) for line in touched[path].lines}
        found |= {(path, start, end) for start, end in touched[path].arcs}
    return frozenset(found)


@dataclass(frozen=True)
class Whole:
    """Everything that could be covered: statements and branches by path."""

    statements: Mapping[str, frozenset[Item]]
    branches: Mapping[str, frozenset[Item]]

    @classmethod
    def of(cls, coverage: Mapping[str, FileCoverage], known: Iterable[str]) -> "Whole":
        """As it was measured, of files that were asked for."""
        there = [path for path in known if path in coverage]
        return cls(
            {path: frozenset((path, line) for line in coverage[path].statements) for path in there},
            {path: frozenset((path, a, b) for a, b in coverage[path].branches) for path in there},
        )

    def everything(self) -> frozenset[Item]:
        """All items of all files."""
        return frozenset().union(*self.statements.values(), *self.branches.values())

    def missing(self, path: str, covered: Items) -> int:
        """How many statements and branches of a file are uncovered."""
        whole = self.statements.get(path, frozenset()) | self.branches.get(path, frozenset())
        return len(whole - covered)

    def missing_lines(self, path: str, covered: Items) -> list[int]:
        """Lines of a file with an uncovered statement, or with a branch that was never taken."""
        left = (self.statements.get(path, frozenset()) | self.branches.get(path, frozenset())) - covered
        return sorted({item[1] for item in left})

    def figures(self, covered: Items) -> dict[str, Any]:
        """Of all files together."""
        lines = frozenset[Item]().union(*self.statements.values())
        branches = frozenset[Item]().union(*self.branches.values())
        return _figures(lines, branches, covered)

    def by_file(self, before: Items, after: Items) -> list[dict[str, Any]]:
        """Each file's figures before and after, in order of path."""
        return [
            {"path": path, "before": self._file(path, before), "after": self._file(path, after)}
            for path in sorted(self.statements)
        ]

    def _file(self, path: str, covered: Items) -> dict[str, Any]:
        return _figures(self.statements[path], self.branches[path], covered)


def _figures(lines: Items, branches: Items, covered: Items) -> dict[str, Any]:
    hit, taken = len(lines & covered), len(branches & covered)
    return {
        "lines": {"covered": hit, "of": len(lines), "percent": percent(hit, len(lines))},
        "branches": {"covered": taken, "of": len(branches), "percent": percent(taken, len(branches))},
    }


def percent(part: int, whole: int) -> float:
    """With one decimal; of nothing, all is covered."""
    return round(100 * part / whole, 1) if whole else 100.0


def told(items: Items) -> list[dict[str, Any]]:
    """For a document: by path, runs of lines as `12-14`, branches as `12->15` (a negative end is a way out)."""
    listed = []
    for path in sorted({item[0] for item in items}):
        lines = sorted(item[1] for item in items if item[0] == path and len(item) == 2)
        arcs = sorted(item[1:] for item in items if item[0] == path and len(item) == 3)
        listed.append({"path": path, "lines": runs(lines), "branches": [_arrow(*arc) for arc in arcs]})
    return listed


def runs(lines: Iterable[int]) -> list[str]:
    """Consecutive numbers as `first-last`."""
    found = []
    for _, group in groupby(enumerate(sorted(lines)), lambda each: each[1] - each[0]):
        numbers = [number for _, number in group]
        found.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return found


def _arrow(start: int, end: int) -> str:
    return f"{start}->{end}" if end > 0 else f"{start}->out"

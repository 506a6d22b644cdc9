"""What coverage measured, as statements and branches of a file: several lines of one statement are one.

A branch is an arc (from line, to line; negative for a way out) that starts at a line with more than one way on.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from coverage import Coverage
from coverage.exceptions import CoverageException
from coverage.python import PythonFileReporter

Arc = tuple[int, int]
_SHARED: Final = frozenset({"", "imported", "others"})


class Measured:
    """One source file: its statements and branches, and how raw lines and arcs become such."""

    def __init__(self, path: Path, coverage: Coverage) -> None:
        self._reporter = PythonFileReporter(str(path), coverage)
        self.statements: set[int] = set(self._reporter.lines())
        ways = self._reporter.exit_counts()
        self.branches: set[Arc] = {arc for arc in self._reporter.arcs() if ways.get(arc[0], 0) > 1}

    def covered(self, arcs: Collection[Arc]) -> tuple[list[int], list[Arc]]:
        """Statements and branches that these raw arcs go through."""
        lines = {line for arc in arcs for line in arc if line > 0}
        through = set(self._reporter.translate_lines(lines)) & self.statements
        taken = set(self._reporter.translate_arcs(arcs)) & self.branches
        return sorted(through), sorted(taken)


def of_sources(coverage: Coverage, tree: Path, sources: Iterable[str]) -> dict[str, Any]:
    """Path -> statements, branches, and those that were covered. A file that can't be parsed isn't there."""
    data = coverage.get_data()
    found: dict[str, Any] = {}
    for path in sources:
        if (measured := _parsed(tree / path, coverage)) is not None:
            lines, arcs = measured.covered(data.arcs(str(tree / path)) or ())
            found[path] = {
                "statements": sorted(measured.statements), "branches": sorted(measured.branches),
                "lines": lines, "arcs": arcs,
            }  # fmt: skip
    return found


def of_contexts(coverage: Coverage, tree: Path, sources: Iterable[str]) -> dict[str, Any]:
    """What each new test covered by path, and what was covered while modules were imported."""
    data = coverage.get_data()
    contexts = sorted(data.measured_contexts() - _SHARED)
    files = {path: found for path in sources if (found := _parsed(tree / path, coverage)) is not None}

    def of(names: list[str]) -> dict[str, Any]:
        data.set_query_contexts([f"^{_quoted(name)}$" for name in names])
        by_path = {}
        for path, measured in files.items():
            lines, arcs = measured.covered(data.arcs(str(tree / path)) or ())
            if lines:
                by_path[path] = {"lines": lines, "arcs": arcs}
        return by_path

    told = {"contexts": {name: of([name]) for name in contexts}, "imported": of(["imported", ""])}
    data.set_query_contexts(None)
    return told


def _parsed(path: Path, coverage: Coverage) -> Measured | None:
    try:
        return Measured(path, coverage)
    except (CoverageException, OSError, SyntaxError, ValueError):
        return None


def _quoted(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "_" else f"\\{letter}" for letter in name)

"""What coverage measured, as statements and branches of a file: several lines of one statement are one.

A branch is an arc (from line, to line; negative for a way out) that starts at a line with more than one way on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Sources:
    """The files whose coverage is wanted, as they were before any test could change them, by path."""

    files: Mapping[str, Measured]
    coverage: Coverage
    tree: Path

    @classmethod
    def read(cls, coverage: Coverage, tree: Path, paths: Iterable[str]) -> "Sources":
        """A file that can't be parsed isn't there."""
        found = {path: file for path in paths if (file := _parsed(tree / path, coverage)) is not None}
        return cls(found, coverage, tree)

    def whole(self) -> dict[str, Any]:
        """Path -> statements, branches, and those that were covered by whatever ran."""
        data, found = self.coverage.get_data(), {}
        for path, file in self.files.items():
            lines, arcs = file.covered(data.arcs(str(self.tree / path)) or ())
            of_all = {"statements": sorted(file.statements), "branches": sorted(file.branches)}
            found[path] = {**of_all, "lines": lines, "arcs": arcs}
        return found

    def by_context(self) -> dict[str, Any]:
        """What each new test covered by path, and what was covered while modules were imported."""
        data = self.coverage.get_data()
        contexts = sorted(data.measured_contexts() - _SHARED)
        found = {"contexts": {name: self._of([name]) for name in contexts}, "imported": self._of(["imported", ""])}
        data.set_query_contexts(None)
        return found

    def _of(self, contexts: list[str]) -> dict[str, Any]:
        data = self.coverage.get_data()
        data.set_query_contexts([f"^{_quoted(name)}$" for name in contexts])
        by_path = {}
        for path, file in self.files.items():
            lines, arcs = file.covered(data.arcs(str(self.tree / path)) or ())
            if lines:
                by_path[path] = {"lines": lines, "arcs": arcs}
        return by_path


def _parsed(path: Path, coverage: Coverage) -> Measured | None:
    try:
        return Measured(path, coverage)
    except (CoverageException, OSError, SyntaxError, ValueError):
        return None


def _quoted(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "_" else f"\\{letter}" for letter in name)

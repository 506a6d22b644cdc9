"""Where to look first: the files whose findings cost most, and the functions that are hardest to follow."""

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, Final

from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.languages import PYTHON
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.scoring import cost

TOP: Final = 10


def hot_files(ledger: Ledger, measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """The files with the highest cost, costliest first."""
    costly = sorted(ledger.files.items(), key=lambda item: (-cost(item[1]), item[0]))[:TOP]
    return [
        {
            "path": path,
            "cost": round(cost(counts), 1),
            "findings": sum(counts.values()),
            "codeLines": measured[path].lines.code if path in measured else 0,
        }
        for path, counts in costly
    ]


def hot_functions(files: Iterable[SourceFile], measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """The most complex functions outside tests, most complex first."""
    found = (
        (-function.complexity, -function.lines, file.path, function.line, function.name, file)
        for file in files
        if not file.test and file.path in measured
        for function in measured[file.path].functions
        if function.complexity > 1
    )
    return [
        {
            "path": path,
            "line": line,
            "function": name,
            "complexity": -complexity,
            "measure": "cognitive" if file.language is PYTHON else "cyclomatic",
            "lines": -length,
        }
        for complexity, length, path, line, name, file in heapq.nsmallest(TOP, found, key=lambda each: each[:5])
    ]

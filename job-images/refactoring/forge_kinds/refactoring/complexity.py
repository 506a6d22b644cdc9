"""How hard functions are to follow: cognitive complexity, as an analysis measures it."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import complexipy

HARD: Final = 15
"""Over this a function is hard to follow; the same step as an analysis has."""


class Function(NamedTuple):
    """One function, `Class::method` for a method."""

    name: str
    line: int
    complexity: int


def functions_of(text: str) -> list[Function]:
    """All functions of a file's text. Raises ValueError when it can't be parsed."""
    found = complexipy.code_complexity(text.removeprefix("\ufeff"), no_ignore=True)
    return [Function(each.name, each.line_start, each.complexity) for each in found.functions]


def totals(files: Iterable[tuple[str, Iterable[Function]]]) -> dict[str, Any]:
    """Of (path, functions): how many, how complex together, how many are hard, and the worst."""
    every = [(each.complexity, path, each) for path, listed in files for each in listed]
    worst = max(every, key=lambda one: (one[0], one[1], one[2].line), default=None)
    document: dict[str, Any] = {
        "functions": len(every),
        "total": sum(complexity for complexity, _, _ in every),
        "hard": sum(complexity > HARD for complexity, _, _ in every),
    }
    if worst:
        document["worst"] = {"path": worst[1], "function": worst[2].name[:200], "complexity": worst[0]}
    return document

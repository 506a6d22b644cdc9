"""Which modules a Python file imports, read line by line: nothing is executed or resolved here."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from forge_kinds.analysis.lines import Nature

MAX_IMPORTS: Final = 1_000
MAX_NAME: Final = 300
_IMPORT: Final = re.compile(r"import\s+([\w.,\s]+)")
_FROM: Final = re.compile(r"from\s+(?=[\w.])([\w.]*)\s*import\s*(.*)")
_MORE: Final = 200
"""Lines that the names of one import may take."""


class Import(NamedTuple):
    """`name` is `a.b` or `..a` for a module, `a.b:name` for what is taken from one."""

    name: str
    line: int
    late: bool = False
    """Whether it stands within something else: a function, a `try`, `if TYPE_CHECKING`."""


def imports_of(lines: Sequence[str], natures: Sequence[Nature]) -> tuple[Import, ...]:
    """In order of the text, each name where it stands first, at the margin and within something else."""
    found: dict[tuple[str, bool], int] = {}
    for number, whole in enumerate(lines):
        line = whole.lstrip()
        if not line.startswith(("import ", "from ")) or natures[number] is not Nature.CODE:
            continue
        names: list[str] = []
        if taken := _FROM.match(line):
            names = [f"{taken[1]}:{name}" for name in _names(taken[2], lines[number + 1 : number + 1 + _MORE])]
        elif plain := _IMPORT.match(line):
            names = [part.split()[0] for part in plain[1].split(",") if part.strip()]
        for name in names:
            found.setdefault((name, line is not whole), number + 1)
        if len(found) > MAX_IMPORTS:
            break
    kept = list(found.items())[:MAX_IMPORTS]
    return tuple(Import(name, line, late) for (name, late), line in kept if len(name) <= MAX_NAME)


def _names(begun: str, following: Sequence[str]) -> list[str]:
    text = begun.partition("#")[0]
    if text.lstrip().startswith("("):
        rest = iter(following)
        while ")" not in text and (line := next(rest, None)) is not None:
            text += line.partition("#")[0]
        text = text.partition("(")[2].partition(")")[0]
    return [
        words[0] for part in text.replace("\\", " ").split(",") if (words := part.split()) and words[0].isidentifier()
    ]

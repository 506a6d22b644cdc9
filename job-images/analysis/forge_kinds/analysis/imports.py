"""Which modules a Python file imports when it is loaded, read line by line: nothing is executed or resolved here."""

import re
from collections.abc import Sequence
from typing import Final

from forge_kinds.analysis.lines import Nature

MAX_IMPORTS: Final = 1_000
MAX_NAME: Final = 300
# Only what stands at the left margin: an import within a function or under TYPE_CHECKING is there to break a cycle.
_IMPORT: Final = re.compile(r"import\s+([\w.,\s]+)")
_FROM: Final = re.compile(r"from\s+(?=[\w.])([\w.]*)\s*import\s*(.*)")
_MORE: Final = 200
"""Lines that the names of one import may take."""


def imports_of(lines: Sequence[str], natures: Sequence[Nature]) -> tuple[str, ...]:
    """In order of the text: `a.b` and `..a` for modules, `a.b:name` for what is taken from one."""
    found: dict[str, None] = {}
    for number, line in enumerate(lines):
        if not line.startswith(("import ", "from ")) or natures[number] is not Nature.CODE:
            continue
        if taken := _FROM.match(line):
            names = _names(taken[2], lines[number + 1 : number + 1 + _MORE])
            found |= dict.fromkeys(f"{taken[1]}:{name}" for name in names)
        elif plain := _IMPORT.match(line):
            found |= dict.fromkeys(part.split()[0] for part in plain[1].split(",") if part.strip())
        if len(found) > MAX_IMPORTS:
            break
    return tuple(name for name in list(found)[:MAX_IMPORTS] if len(name) <= MAX_NAME)


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

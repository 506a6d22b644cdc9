"""Which `# noqa` comments count: one that names the rule, on its own line, and never for a risk.

Such a comment is a person's decision about one place. A bare `# noqa`, one for a whole file, and any for a security
rule are not: they would let a repository switch its own analysis off.
"""

import re
from collections.abc import Sequence
from typing import Final

from forge_kinds.analysis.findings import Dimension

_NOQA: Final = re.compile(r"#\s*noqa\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)", re.IGNORECASE)


def is_suppressed(code: str, dimension: Dimension, line: str) -> bool:
    """Whether the line's own comment takes this finding out of the count."""
    if dimension in {Dimension.SECURITY, Dimension.SECRETS} or "noqa" not in line.lower():
        return False
    found = _NOQA.search(line)
    return bool(found) and code in re.split(r"[\s,]+", found["codes"].upper())  # type: ignore[index]


def commented_line(code: str, number: int, lines: Sequence[str]) -> str:
    """The line whose comment speaks for a finding on line `number`: of an import over several lines, the first."""
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    if code == "F401" and "noqa" not in line.lower():
        above = (lines[index] for index in range(number - 1, max(-1, number - 200), -1) if index < len(lines))
        line = next((each for each in above if each.lstrip().startswith(("from ", "import "))), line)
    return line


_QUOTED: Final = re.compile(r"""(?<![\w])[rbuf]{0,2}(?:"(?:\\.|[^"\\`])*"|'(?:\\.|[^'\\`])*')""", re.IGNORECASE)
_CODE: Final = re.compile(r"`[^`]*`")


def without_literals(message: str) -> str:
    """A linter's message with the strings in its code samples blanked: a sample may quote a password."""
    return _CODE.sub(lambda sample: _QUOTED.sub('"…"', sample[0]) if len(sample[0]) > 2 else sample[0], message)

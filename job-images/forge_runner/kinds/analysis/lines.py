"""Counts lines of code, comments and blanks, without a parser: nothing in a file can make it fail or take long.

pygount, which knows more, took 12 s for the 772 Python files of the reference repository, this takes 0.3 s
(docs/adr/analysis-counts-lines-itself.md).
"""

import re
from dataclasses import dataclass
from typing import Final

from forge_runner.kinds.analysis.languages import PYTHON, Language

_DOCSTRING: Final = re.compile(r'[rRuUbB]{0,2}("""|\'\'\')')


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one file or of many."""

    code: int = 0
    comment: int = 0
    blank: int = 0

    def __add__(self, other: "Lines") -> "Lines":
        return Lines(self.code + other.code, self.comment + other.comment, self.blank + other.blank)


def count_lines(lines: list[str], language: Language) -> Lines:
    """Each line is one of three: blank, all comment (in Python: docstring too), or code."""
    block = ('"""', '"""') if language is PYTHON else language.block
    code = comment = blank = 0
    end = ""
    for line in lines:
        text = line.strip()
        if not text:
            blank += 1
        elif end:
            comment += 1
            end = "" if end in text else end
        elif text.startswith(language.line):
            comment += 1
        elif block and (end := _opened(text, language, block)):
            comment += 1
            end = "" if end == _CLOSED else end
        else:
            code += 1
    return Lines(code, comment, blank)


_CLOSED: Final = "\0"


def _opened(text: str, language: Language, block: tuple[str, str]) -> str:
    """What ends the comment that this line begins; _CLOSED when the line ends it itself, "" when it begins none."""
    if language is PYTHON:
        found = _DOCSTRING.match(text)
        if not found:
            return ""
        begin = end = found[1]
        after = text[found.end() :]
    else:
        begin, end = block
        if not text.startswith(begin):
            return ""
        after = text[len(begin) :]
    if end not in after:
        return end
    return _CLOSED if after.rstrip().endswith(end) else ""

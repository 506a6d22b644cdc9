"""Counts lines of code, comments and blanks, without a parser: nothing in a file can make it fail or take long.

pygount, which knows more, took 12 s for the 772 Python files of the reference repository, this takes 0.3 s
(docs/adr/0006).
"""

import re
from dataclasses import dataclass
from typing import Final

from forge_kinds.analysis.languages import PYTHON, Language

_DOCSTRING: Final = re.compile(r"""[rRuUbB]{0,2}("{3}|'{3})""")
_TRIPLE: Final = re.compile(r"""\"{3}|'{3}""")


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
    return _count_python(lines) if language is PYTHON else _count(lines, language)


def _count(lines: list[str], language: Language) -> Lines:
    begin, end = language.block or ("", "")
    code = comment = blank = 0
    inside = False
    for line in lines:
        text = line.strip()
        if not text:
            blank += 1
        elif inside:
            comment += 1
            inside = end not in text
        elif text.startswith(language.line):
            comment += 1
        elif begin and text.startswith(begin) and (end not in text[len(begin) :] or text.endswith(end)):
            comment += 1
            inside = end not in text[len(begin) :]
        else:
            code += 1
    return Lines(code, comment, blank)


def _count_python(lines: list[str]) -> Lines:
    code = comment = blank = 0
    quote = ""  # what ends the string that is open over several lines
    documents = False  # whether that string is a docstring
    for line in lines:
        text = line.strip()
        if not text:
            blank += 1
            continue
        was_open = quote != ""
        starts = None if was_open or text.startswith("#") else _DOCSTRING.match(text)
        if not was_open:
            documents = bool(starts)
        if was_open or not text.startswith("#"):
            quote = _left_open(text, quote)
        if documents or (not was_open and text.startswith("#")):
            comment += 1
        else:
            code += 1
    return Lines(code, comment, blank)


def _left_open(text: str, quote: str) -> str:
    """The triple quote that is open at the end of a line at whose beginning `quote` was."""
    position = 0
    while True:
        if quote:
            found = text.find(quote, position)
            if found < 0:
                return quote
            position, quote = found + 3, ""
        else:
            opening = _TRIPLE.search(text, position)
            if not opening:
                return ""
            position, quote = opening.end(), opening[0]

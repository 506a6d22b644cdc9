"""Counts lines of code, comments and blanks, without a parser: nothing in a file can make it fail or take long.

pygount, which knows more, took 12 s for the 772 Python files of the reference repository, this takes 0.3 s
(docs/adr/0006).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
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


class Nature(StrEnum):
    """What a line is. In Python a docstring is a comment too."""

    CODE = "code"
    COMMENT = "comment"
    BLANK = "blank"


def count_lines(lines: list[str], language: Language) -> Lines:
    """Each line is one of three: blank, all comment (in Python: docstring too), or code."""
    return counted(natures(lines, language))


def counted(found: Iterable[Nature]) -> Lines:
    """How many of each."""
    counts = Counter(found)
    return Lines(counts[Nature.CODE], counts[Nature.COMMENT], counts[Nature.BLANK])


def natures(lines: list[str], language: Language) -> list[Nature]:
    """What each line is."""
    return list(_of_python(lines) if language is PYTHON else _of(lines, language))


def _of(lines: list[str], language: Language) -> Iterator[Nature]:
    begin, end = language.block or ("", "")
    inside = False
    for line in lines:
        text = line.strip()
        if not text:
            yield Nature.BLANK
        elif inside:
            yield Nature.COMMENT
            inside = end not in text
        elif text.startswith(language.line):
            yield Nature.COMMENT
        elif begin and text.startswith(begin) and (end not in text[len(begin) :] or text.endswith(end)):
            yield Nature.COMMENT
            inside = end not in text[len(begin) :]
        else:
            yield Nature.CODE


def _of_python(lines: list[str]) -> Iterator[Nature]:
    quote = ""  # what ends the string that is open over several lines
    documents = False  # whether that string is a docstring
    for line in lines:
        text = line.strip()
        if not text:
            yield Nature.BLANK
            continue
        was_open = quote != ""
        starts = None if was_open or text.startswith("#") else _DOCSTRING.match(text)
        if not was_open:
            documents = bool(starts)
        if was_open or not text.startswith("#"):
            quote = _left_open(text, quote)
        commented = documents or (not was_open and text.startswith("#"))
        yield Nature.COMMENT if commented else Nature.CODE


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

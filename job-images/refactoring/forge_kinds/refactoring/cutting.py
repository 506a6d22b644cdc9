"""The text of an extraction: a block's lines become a function above, and a call of it stands in their place."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from forge_kinds.refactoring.flow import Function

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Place(NamedTuple):
    """A function of a module, or of a class of a module."""

    function: Function
    outer: ast.stmt
    in_class: bool
    name: str


class Cut(NamedTuple):
    """A block that may be moved."""

    block: Sequence[ast.stmt]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Source(NamedTuple):
    """The text of a module, by lines with their ends, and every word in it."""

    lines: Sequence[str]
    words: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Source":
        """As blocks are cut out of it."""
        return cls(_LINE.findall(text), frozenset(re.findall(r"\w+", text)))


class Moved(NamedTuple):
    """The whole text with a block moved, the part of it that is concerned, and the new function's name."""

    text: str
    concerned: str
    name: str


def moved_text(source: Source, place: Place, cut: Cut) -> Moved | None:
    """The text with the block moved, None when its lines can't be cut out."""
    lines = source.lines
    first, last = cut.block[0], cut.block[-1]
    begin, end = first.lineno - 1, last.end_lineno or first.lineno
    indent = lines[begin].encode()[: first.col_offset].decode()
    rest = lines[end - 1].encode()[last.end_col_offset or 0 :].decode().strip()
    new = _free_name(source.words, place.function.name)
    if indent.strip() or (rest and not rest.startswith("#")):
        return None
    eol = re.search(r"\r\n|\r|\n", lines[0])
    ending = eol[0] if eol else "\n"
    unit = _unit(lines, place.function)
    names = ", ".join(cut.inputs)
    body = list(_reindented(lines[begin:end], indent, unit, _kept(cut.block, begin)))
    if not body[-1].endswith(("\r", "\n")):
        body[-1] += ending
    results = [f"{unit}return {', '.join(cut.outputs)}{ending}"] if cut.outputs else []
    made = [f"def {new}({names}):{ending}", *body, *results, ending, ending]
    target = f"{', '.join(cut.outputs)} = " if cut.outputs else ""
    call = f"{indent}{target}{new}({names}){ending}"
    top = _top(lines, place.outer)
    around, bottom = [*made, *lines[top:begin], call], place.outer.end_lineno or end
    whole = "".join([*lines[:top], *around, *lines[end:]])
    return Moved(whole, "".join([*around, *lines[end:bottom]]), new)


def _unit(lines: Sequence[str], function: Function) -> str:
    inner = function.body[0]
    found = lines[inner.lineno - 1].encode()[: inner.col_offset].decode()
    outer = lines[function.lineno - 1].encode()[: function.col_offset].decode()
    step = found.removeprefix(outer)
    return step if step and not step.strip() else "    "


def _top(lines: Sequence[str], outer: ast.stmt) -> int:
    """Where a new function goes: above decorators and the comments that stand directly over them."""
    decorators = getattr(outer, "decorator_list", [])
    top: int = min([outer.lineno, *(each.lineno for each in decorators)]) - 1
    while top > 0 and lines[top - 1].startswith("#") and not lines[top - 1].startswith("#!"):
        top -= 1
    return top


def _kept(block: Sequence[ast.stmt], begin: int) -> set[int]:
    """Lines of the block that begin inside a string: their indentation is a part of it."""
    return {
        line - 1 - begin
        for statement in block
        for node in ast.walk(statement)
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    }


def _reindented(lines: Sequence[str], indent: str, unit: str, kept: set[int]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number in kept or not line.strip():
            yield line
        elif line.startswith(indent):
            yield unit + line.removeprefix(indent)
        else:
            yield unit + line.lstrip() if line.lstrip().startswith("#") else line


def _free_name(words: frozenset[str], function: str) -> str:
    number = 1
    while f"_{function.strip('_')}_part_{number}" in words:
        number += 1
    return f"_{function.strip('_')}_part_{number}"

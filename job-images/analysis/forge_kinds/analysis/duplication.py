"""Code that stands more than once, across files and within one: runs of at least RUN equal lines of code. Pure.

Lines are compared by digests of what they say, spacing aside; blanks, comments, imports and lines without a letter or
digit don't take part, and neither do tests. No comment in a file can switch this off (docs/adr/0019).
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

RUN: Final = 10
"""Lines of code that have to be equal, one after another."""
MAX_LINES: Final = 1_000_000
"""Lines that are compared in all: about 250 MB of memory. The rest is left out, and said to be."""
MAX_BLOCKS: Final = 20
_PRINT: Final = struct.Struct("<QI")
PRINT_BYTES: Final = _PRINT.size
"""Of one line in `prints_of`."""
_SAYS: Final = re.compile(r"\w")
_IMPORT: Final = re.compile(r"(import|from|#include|using|package|use|require)\b")


@dataclass(frozen=True)
class Block:
    """A run that stands here and there; lines are those of the file, first and last."""

    path: str
    lines: tuple[int, int]
    other_path: str
    other_lines: tuple[int, int]
    length: int
    """Lines of code."""

    def document(self) -> dict[str, Any]:
        """For the result."""
        first = {"path": self.path, "line": self.lines[0], "endLine": self.lines[1]}
        second = {"path": self.other_path, "line": self.other_lines[0], "endLine": self.other_lines[1]}
        return {"lines": self.length, "places": [first, second]}


@dataclass(frozen=True)
class Duplication:
    """`lines` are all that were compared, `duplicated` the numbers of those that stand elsewhere too."""

    lines: Mapping[str, tuple[int, ...]]
    duplicated: Mapping[str, frozenset[int]]
    blocks: tuple[Block, ...]
    left_out: int
    """Files beyond MAX_LINES."""

    @property
    def total(self) -> int:
        """Lines that were compared."""
        return sum(map(len, self.lines.values()))

    @property
    def count(self) -> int:
        """Of them, those that are duplicated."""
        return sum(map(len, self.duplicated.values()))

    def document(self) -> dict[str, Any]:
        """The summary's member `duplication`."""
        share = round(100 * self.count / self.total, 1) if self.total else 0.0
        blocks = [block.document() for block in self.blocks]
        return {"lines": self.total, "duplicatedLines": self.count, "duplicatedPercent": share, "blocks": blocks}


def prints_of(lines: Iterable[tuple[int, str]]) -> bytes:
    """A file's lines of code, (number, text), as digests and numbers: 12 bytes each."""
    packed = bytearray()
    for number, text in lines:
        said = " ".join(text.split())
        if _SAYS.search(said) and not _IMPORT.match(said):
            digest = hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=8).digest()
            packed += digest + number.to_bytes(4, "little")
    return bytes(packed)


def find(prints: Mapping[str, bytes]) -> Duplication:
    """`prints` by path; the answer depends on nothing but them."""
    first: dict[int, tuple[str, int]] = {}
    numbers: dict[str, tuple[int, ...]] = {}
    marked: dict[str, set[int]] = {}
    blocks: list[Block] = []
    total = left_out = 0
    for path in sorted(prints):
        if total + len(prints[path]) // _PRINT.size > MAX_LINES:
            left_out += 1
            continue
        unpacked = list(_PRINT.iter_unpack(prints[path]))
        total += len(unpacked)
        numbers[path] = tuple(number for _, number in unpacked)
        for here, (other, there), length in _runs(path, [digest for digest, _ in unpacked], first):
            mine, theirs = numbers[path][here : here + length], numbers[other][there : there + length]
            marked.setdefault(path, set()).update(mine)
            marked.setdefault(other, set()).update(theirs)
            blocks.append(Block(path, (mine[0], mine[-1]), other, (theirs[0], theirs[-1]), length))
    blocks.sort(key=lambda block: (-block.length, block.path, block.lines, block.other_path, block.other_lines))
    duplicated = {path: frozenset(each) for path, each in sorted(marked.items())}
    return Duplication(numbers, duplicated, tuple(blocks[:MAX_BLOCKS]), left_out)


def _runs(
    path: str, digests: list[int], first: dict[int, tuple[str, int]]
) -> Iterator[tuple[int, tuple[str, int], int]]:
    """(position here, file and position where it stood first, lines), as long as they go on together.

    What this file has and no other had before goes into `first`.
    """
    begun: tuple[int, tuple[str, int]] | None = None
    length = 0
    for here in range(len(digests) - RUN + 1):
        window = hash(tuple(digests[here : here + RUN]))
        found = first.setdefault(window, (path, here))
        apart = found[0] != path or here - found[1] >= RUN
        if begun and (not apart or found != (begun[1][0], begun[1][1] + here - begun[0])):
            yield (*begun, length)
            begun = None
        if apart and not begun:
            begun, length = (here, found), RUN
        elif apart:
            length += 1
    if begun:
        yield (*begun, length)

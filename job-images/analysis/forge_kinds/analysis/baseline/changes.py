"""What lies between two commits, as git tells it: renamed files, and which lines were added and removed."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from forge_core.git.command import Failed, Stopped
from forge_runner.report import Transient
from forge_runner.sources.selection import display
from forge_runner.workspace import Checkout, EntryKind

Range = tuple[int, int]
"""The first and the last line."""
Ranges = tuple[Range, ...]
"""In order, without overlaps."""
WHOLE: Final[Ranges] = ((1, 2**31),)
_HUNK: Final = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_DIFF: Final = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--diff-filter=AMR")


@dataclass(frozen=True)
class Changes:
    """From a baseline to a head. Lines of a file that is in neither mapping are as they were."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    """The baseline's path -> the head's."""
    added: Mapping[str, Ranges] = field(default_factory=dict)
    """By the head's path."""
    removed: Mapping[str, Ranges] = field(default_factory=dict)
    """By the baseline's path."""


def holds(ranges: Ranges, line: int) -> bool:
    """Whether a line is in one of the ranges."""
    at = bisect_right(ranges, (line, 2**31 + 1)) - 1
    return at >= 0 and ranges[at][0] <= line <= ranges[at][1]


def between(base: Checkout, head: Checkout) -> Changes:
    """Ask git, in whose store both commits are. Raises Transient when it doesn't end in time."""
    try:
        with head.git.running(*_DIFF, "--raw", "-z", base.commit, head.commit) as child:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            pairs = list(_pairs(child.stdout.read()))
        with head.git.running(*_DIFF, "-p", "-U0", "--no-color", base.commit, head.commit) as child:
            assert child.stdout is not None  # noqa: S101
            hunks = _hunks(child.stdout)
    except (Stopped, Failed) as failure:
        raise Transient(f"The changes since the baseline could not be read: {str(failure)[:200]}") from None
    renamed = {before: after for before, after in pairs if before and before != after}
    added, removed = _by_path(pairs, hunks)
    kept = {entry.path: entry.blob for entry in base.entries if entry.kind is EntryKind.FILE}
    told = {after for _, after in pairs}
    for entry in head.entries:  # what git tells in another way, such as a link that became a file
        path = display(entry.path)
        if entry.kind is EntryKind.FILE and path not in told and kept.get(entry.path) != entry.blob:
            added[path] = WHOLE
    return Changes(renamed, added, removed)


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    """(the baseline's path, the head's) of each changed file, in git's order; "" for what wasn't there."""
    fields = iter(raw.split(b"\0"))
    for head in fields:
        if not head:
            return
        status = head.rsplit(b" ", 1)[1][:1]
        path = display(next(fields))
        if status == b"R":
            yield path, display(next(fields))
        else:
            yield ("" if status == b"A" else path), path


def _hunks(stream: IO[bytes]) -> list[list[tuple[Range, Range]]]:
    """Of each changed file in git's order, its hunks: (first line, count) in the baseline and in the head."""
    files: list[list[tuple[Range, Range]]] = []
    for line in _bounded_lines(stream):  # what a file says stands behind a sign, so these two are git's own
        if line.startswith(b"diff --git "):
            files.append([])
        elif files and (found := _HUNK.match(line)):
            old, old_count, new, new_count = (int(part or 1) for part in found.groups())
            files[-1].append(((old, old_count), (new, new_count)))
    return files


def _bounded_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The beginnings of the lines: a line may be as long as a file."""
    begins = True
    while piece := stream.readline(4096):
        if begins:
            yield piece
        begins = piece.endswith(b"\n")


def _by_path(
    pairs: Iterable[tuple[str, str]], hunks: Iterable[list[tuple[Range, Range]]]
) -> tuple[dict[str, Ranges], dict[str, Ranges]]:
    added: dict[str, list[Range]] = defaultdict(list)
    removed: dict[str, list[Range]] = defaultdict(list)
    for (before, after), found in zip(pairs, hunks, strict=True):
        for (old, old_count), (new, new_count) in found:
            if new_count:
                added[after].append((new, new + new_count - 1))
            if old_count:
                removed[before].append((old, old + old_count - 1))
    return {path: tuple(each) for path, each in added.items()}, {path: tuple(each) for path, each in removed.items()}

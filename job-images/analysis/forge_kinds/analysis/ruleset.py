"""By what rules files are examined, as one digest: whatever changes a file's findings without the file changes it."""

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import forge_runner.sources
import forge_runner.workspace

_OURS: Final = (
    Path(__file__).parent,
    *(Path(each.__path__[0]) for each in (forge_runner.sources, forge_runner.workspace)),
)


@cache
def ruleset() -> str:
    """Of our own sources, of what is installed (the tools and what they stand on) and of Python: 64 digits.

    Nobody has to remember to raise a number, and a release that changes only a comment begins without a cache.
    """
    return digest_of(_OURS, map(Path, sys.path), sys.version)


def digest_of(sources: Iterable[Path], places: Iterable[Path], python: str) -> str:
    """`sources` are folders of modules, `places` those in which distributions are installed."""
    digest = hashlib.sha256(python.encode())
    for folder in sources:
        for file in sorted(folder.rglob("*.py")):
            _add(digest, str(file.relative_to(folder)).encode(), file.read_bytes())
    for name in sorted({each.name for place in places for each in place.glob("*.dist-info")}):
        _add(digest, name.encode())
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", *parts: bytes) -> None:
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)

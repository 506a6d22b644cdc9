"""What earlier analyses of a repository knew of its files, for this one, and what this one knows, for the next.

A file is known again by all that its findings follow from: its name, its content, how it is to be looked at and the
rules. The kept bytes are trusted with nothing: what is damaged, was made by other rules or doesn't fit is passed over,
and the file is examined. A line of the kept bytes is one file, and is read when that file is asked for.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Self

from forge_core.attempts import MAX_CACHE_BYTES
from forge_kinds.analysis.examined import Examined
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.rules import Rule
from forge_kinds.analysis.shelved import decode, encode

SCHEMA: Final = b"forge.analysis.cache/1"
LEAST_BYTES: Final = 8 * 1024 * 1024
"""So much is kept whatever this analysis used of it: other branches and other parts are analysed in turn."""
MAX_KINDS: Final = 100
"""Kinds of secrets, of which each is a rule; the detectors know about 30."""


class Shelf:
    """`rules` is ruleset.ruleset, `linted` the linter's rules by code."""

    def __init__(self, rules: str, linted: Mapping[str, Rule], kept: Mapping[str, bytes]) -> None:
        self._rules = rules
        self._linted = linted
        self._kept = dict(kept)
        self._used: dict[str, bytes] = {}
        self._kinds: set[str] = set()
        self._fresh = 0
        self._closed = False

    @classmethod
    def of(cls, body: bytes, rules: str, linted: Mapping[str, Rule]) -> Self:
        """What `encode` made; empty when it is damaged, of another schema or of other rules."""
        head, _, rest = body.partition(b"\n")
        if len(body) > MAX_CACHE_BYTES or head != _head(rules, rest):
            return cls(rules, linted, {})
        lines = (line.partition(b" ") for line in rest.split(b"\n"))
        return cls(rules, linted, {key.decode(errors="replace"): entry for key, _, entry in lines if entry})

    def find(self, file: SourceFile) -> Examined | None:
        """What was known of the file, if anything that can be read."""
        key = key_of(file)
        entry = self._kept.get(key)
        found = decode(entry, file, self._linted) if entry is not None else None
        if entry is None or found is None:
            return None
        self._kinds |= {secret.kind for secret in found.measured.secrets}
        if len(self._kinds) > MAX_KINDS:
            return None
        self._used[key] = entry
        return found

    def put(self, file: SourceFile, examined: Examined) -> None:
        """Keep what was found out about a file, unless it may be found otherwise the next time."""
        entry = None if examined.passing or self._closed else encode(examined)
        if entry is not None:
            self._used[key_of(file)] = entry
            self._fresh += 1

    def close(self) -> None:
        """Know nothing, keep nothing: tools were given up, so that what is found of a file hangs on others too."""
        self._kept, self._used, self._closed = {}, {}, True

    def encode(self) -> bytes | None:
        """What is kept for the next analysis; None when it is what this one was given.

        First what was used, in the order of its use; then the rest as it stood, as much again or LEAST_BYTES in all.
        """
        if not self._fresh and not self._closed:
            return None
        used = _within(self._used, MAX_CACHE_BYTES - 1024)
        size = sum(map(_size, used.items()))
        others = {key: entry for key, entry in self._kept.items() if key not in used}
        limit = min(MAX_CACHE_BYTES - 1024, max(2 * size, LEAST_BYTES))
        rest = b"\n".join(
            f"{key} ".encode() + entry for key, entry in {**used, **_within(others, limit - size)}.items()
        )
        return _head(self._rules, rest) + b"\n" + rest


def key_of(file: SourceFile) -> str:
    """A digest of all that a file's findings follow from besides the rules."""
    language = file.language.name if file.language else ""
    how = f"{file.blob.hex()} {file.packages} {int(file.analysed)} {int(file.test)} {language}"
    return hashlib.sha256(how.encode() + b"\0" + file.raw).hexdigest()[:40]


def _head(rules: str, rest: bytes) -> bytes:
    return b" ".join((SCHEMA, rules.encode(), hashlib.sha256(rest).hexdigest().encode()))


def _size(entry: tuple[str, bytes]) -> int:
    return len(entry[0]) + len(entry[1]) + 2


def _within(entries: Mapping[str, bytes], limit: int) -> dict[str, bytes]:
    """The first of them, as many as fit."""
    fitting: dict[str, bytes] = {}
    for key, entry in entries.items():
        limit -= _size((key, entry))
        if limit < 0:
            break
        fitting[key] = entry
    return fitting

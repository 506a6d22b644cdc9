"""What a file says of dead code, as the worker sends it: what it defines, what it uses. See reading.py."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

DIGEST: Final = 8
"""Characters of a name's digest: two of a million names have the same one once in 500 repositories."""


class Kind(StrEnum):
    """What may be unused."""

    FUNCTION = "function"
    CLASS = "class"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Definition:
    """One that its own file doesn't use. `bases` are its class's, of a class its own; a function has none."""

    kind: Kind
    name: str
    within: str
    """The class of a method, else empty."""
    line: int
    end_line: int
    bases: tuple[str, ...] = ()
    suppressed: bool = False
    """By a `# noqa` with vulture's code on its line."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Lines that no run reaches. `content` is the digest of the first one."""

    why: str
    line: int
    end_line: int
    content: str
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Depends on the file's text and path alone."""

    defined: tuple[Definition, ...] = ()
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """All of the file's classes and their bases, each by its last name; UNKNOWN where a base is no name."""
    used: str = ""
    """Digests of names that are read, apart by spaces; what ends in * is no digest but how all such names begin.

    A text may be a name or a password, and this is kept (shelf.py).
    """
    unreachable: tuple[Unreachable, ...] = ()

    def encode(self) -> list[Any]:
        """As the worker sends it."""
        defined = [
            [each.kind, each.name, each.within, each.line, each.end_line, each.bases, each.suppressed]
            for each in self.defined
        ]
        unreachable = [[each.why, each.line, each.end_line, each.content, each.suppressed] for each in self.unreachable]
        return [defined, self.classes, self.used, unreachable]

    @classmethod
    def decode(cls, document: Sequence[Any]) -> "Names":
        """As the parent receives it."""
        defined, classes, used, unreachable = document
        return cls(
            tuple(
                Definition(Kind(kind), name, within, line, end_line, tuple(bases), suppressed)
                for kind, name, within, line, end_line, bases, suppressed in defined
            ),
            tuple((name, tuple(bases)) for name, bases in classes),
            used,
            tuple(Unreachable(*each) for each in unreachable),
        )


@lru_cache(maxsize=100_000)
def digest_of(name: str) -> str:
    """The digest by which a name is known again."""
    short = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=DIGEST * 6 // 8).digest()
    return base64.urlsafe_b64encode(short).decode()


UNKNOWN = "?"

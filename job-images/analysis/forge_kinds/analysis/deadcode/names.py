"""What a file says of dead code, as the worker sends it: what it defines, what it uses. See reading.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
    """Names that are read, apart by spaces; one that ends in * stands for all that begin so."""
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


UNKNOWN = "?"

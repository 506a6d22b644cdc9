"""What is measured of one file, as the worker sends it and the parent receives it."""

import base64
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from forge_kinds.analysis.deadcode.names import Names
from forge_kinds.analysis.imports import Import
from forge_kinds.analysis.lines import Lines


@dataclass(frozen=True, slots=True)
class Secret:
    """Where something that looks like a secret stands. `content` is the digest of its line with the secret masked."""

    kind: str
    line: int
    content: str


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `complexity` is cognitive in Python, cyclomatic elsewhere; `lines` is its length."""

    name: str
    line: int
    lines: int
    complexity: int
    parameters: int = 0


@dataclass(frozen=True)
class Measured:
    """What is known of one file."""

    lines: Lines = field(default_factory=Lines)
    functions: tuple[Function, ...] = ()
    secrets: tuple[Secret, ...] = ()
    notes: tuple[str, ...] = ()
    opaque: bool = False
    """Whether the file turned out to be nothing to analyse (binary, a pointer, one endless line)."""
    prints: bytes = b""
    """Of its lines of code, to find them elsewhere (duplication.prints_of)."""
    imports: tuple[Import, ...] = ()
    """Of a Python file (imports.imports_of)."""
    names: Names = field(default_factory=Names)
    """What it defines and uses (deadcode)."""

    def encode(self) -> dict[str, Any]:
        """As the worker sends it."""
        plain = asdict(replace(self, imports=(), names=Names()))
        prints = base64.b64encode(self.prints).decode()
        return {**plain, "prints": prints, "imports": self.imports, "names": self.names.encode()}

    @classmethod
    def decode(cls, document: dict[str, Any]) -> "Measured":
        """As the parent receives it."""
        return cls(
            Lines(**document["lines"]),
            tuple(Function(**each) for each in document["functions"]),
            tuple(Secret(**each) for each in document["secrets"]),
            tuple(document["notes"]),
            document["opaque"],
            base64.b64decode(document["prints"]),
            tuple(Import(*each) for each in document["imports"]),
            Names.decode(document["names"]),
        )

"""What was changed and what was left, each with its place and its reason."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Change:
    """One change. `line` counts in the file as the operation found it."""

    path: str
    line: int
    operation: str
    rule: str
    reason: str

    def document(self) -> dict[str, Any]:
        """For the list."""
        return {
            "operation": self.operation, "rule": self.rule, "path": self.path, "line": self.line, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, order=True)
class Dropped:
    """A change that was tried or thought of, and why it is not in the patch."""

    change: Change
    why: str

    def document(self) -> dict[str, Any]:
        """For the list."""
        return {**self.change.document(), "why": self.why}


@dataclass(frozen=True)
class Done:
    """What an operation did to one file."""

    path: str
    changes: tuple[Change, ...] = ()
    dropped: tuple[Dropped, ...] = ()

"""A finding: one place where one rule is broken, with a fingerprint that outlives edits elsewhere in the file."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

MAX_MESSAGE: Final = 500


class Severity(IntEnum):
    """How much a finding matters, in this order."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """As it is written in results."""
        return self.name.lower()

    def lowered(self) -> "Severity":
        """One step less, for what stands in tests."""
        return Severity(max(self - 1, 0))


class Dimension(StrEnum):
    """What a finding counts against."""

    MAINTAINABILITY = "maintainability"
    COMPLEXITY = "complexity"
    SECURITY = "security"
    SECRETS = "secrets"
    SIZE = "size"


class State(StrEnum):
    """How a finding stands to the baseline's, in SARIF's words (baselineState, 3.27.24)."""

    NEW = "new"
    UNCHANGED = "unchanged"
    ABSENT = "absent"
    """Only the baseline has it: it is fixed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `path` is text for display; `line` and `column` count from 1."""

    rule: str
    severity: Severity
    dimension: Dimension
    path: str
    line: int
    message: str
    column: int = 1
    end_line: int = 0
    content: str = ""
    """Digest of what the line says, its indentation and spacing aside."""
    suppressed: bool = False
    """By a `# noqa: CODE` on its line: told, not counted."""
    fingerprint: str = ""
    state: State | None = None
    """None where nothing is compared."""

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Where it stands among the findings of a result."""
        return (self.path, self.line, self.column, self.rule, self.message)


def content_digest(line: str) -> str:
    """Of a line, so that indenting or re-spacing it leaves its fingerprint as it was."""
    return hashlib.sha256(" ".join(line.split()).encode(errors="surrogateescape")).hexdigest()[:32]


def fingerprinted(findings: Iterable[Finding]) -> list[Finding]:
    """One file's findings in order, each with its fingerprint: of rule, path, content and its number among equals."""
    seen: Counter[tuple[str, str, str]] = Counter()
    marked = []
    for finding in sorted(findings, key=lambda each: each.order):
        key = (finding.rule, finding.path, finding.content)
        text = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        marked.append(replace(finding, fingerprint=hashlib.sha256(text.encode()).hexdigest()[:32]))
    return marked

"""What ruff says of files: findings counted, changes it would make, and the changes made. No configuration is read."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.tree import Tree
from forge_runner.sources.ruff import BATCH_CPU_SECONDS, CHECK, IGNORE, SELECT, ruff

NEWEST: Final = "py314"
"""Findings are counted and syntax is read as the newest Python has it, whatever a file was written for."""
SYNTAX: Final = "invalid-syntax"


@dataclass(frozen=True)
class Finding:
    """One of ruff's findings; `mendable` when ruff has a safe change for it."""

    code: str
    line: int
    end_line: int
    message: str
    mendable: bool

    @property
    def same(self) -> tuple[str, str]:
        """What is the same of it when lines have moved."""
        return self.code, self.message


@dataclass(frozen=True)
class Standing:
    """How a file stands: findings by rule, and whether it parses."""

    findings: Counter[str] = field(default_factory=Counter)

    @property
    def parses(self) -> bool:
        """Whether ruff's parser takes it."""
        return SYNTAX not in self.findings

    @property
    def total(self) -> int:
        """Findings in all."""
        return self.findings.total()


@dataclass(frozen=True)
class Rules:
    """What to look for, what Python it is mended for, and which modules are the repository's own."""

    select: tuple[str, ...]
    target: str
    first_party: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    """Whole rules that are left out of what is selected."""

    def options(self) -> tuple[str, ...]:
        """As ruff takes them."""
        known = {"known-first-party": self.first_party, "extra-standard-library": sorted(sys.stdlib_module_names)}
        sorting = [f"lint.isort.{name}={json.dumps(list(values))}" for name, values in known.items()]
        return (
            "--target-version", self.target, "--select", ",".join(self.select),
            *(["--ignore", ",".join(self.ignore)] if self.ignore else []),
            *(each for setting in sorting for each in ("--config", setting)),
        )  # fmt: skip


COUNTED: Final = ("--target-version", NEWEST, "--select", ",".join(SELECT), "--ignore", ",".join(IGNORE))


@dataclass(frozen=True)
class Linter:
    """Runs ruff over files of the tree from a neutral folder. Each call answers None when ruff broke on the files."""

    tree: Tree
    folder: Path

    def standings(self, files: Sequence[SourceFile]) -> Mapping[str, Standing] | None:
        """path -> how it stands, for every file."""
        found = self._check(files, COUNTED)
        if found is None:
            return None
        return {path: Standing(Counter(each.code for each in listed)) for path, listed in found.items()}

    def findings(self, files: Sequence[SourceFile], rules: Rules) -> Mapping[str, list[Finding]] | None:
        """path -> what the rules find, for every file."""
        return self._check(files, rules.options())

    def mend(self, files: Sequence[SourceFile], rules: Rules) -> bool:
        """Make all safe changes of the rules, until there are none; False when ruff broke."""
        names = map(self.tree.name, files)
        arguments = (*CHECK, "--fix", "--no-unsafe-fixes", *rules.options(), "--", *names)
        return ruff(arguments, self.folder, BATCH_CPU_SECONDS) is not None

    def _check(self, files: Sequence[SourceFile], options: Sequence[str]) -> dict[str, list[Finding]] | None:
        named = {self.tree.name(file): file.path for file in files}
        arguments = (*CHECK, "--no-fix", "--output-format", "json-lines", *options, "--", *named)
        text = ruff(arguments, self.folder, BATCH_CPU_SECONDS)
        if text is None:
            return None
        found: dict[str, list[Finding]] = {file.path: [] for file in files}
        for line in text.splitlines():
            diagnostic = json.loads(line)
            path = named.get(diagnostic["filename"])
            if path is not None:
                found[path].append(_finding(diagnostic))
        return found


def _finding(diagnostic: Mapping[str, Any]) -> Finding:
    line = int((diagnostic.get("location") or {}).get("row", 1))
    fix = diagnostic.get("fix") or {}
    edits = fix.get("edits") or []
    end = max((int(edit["end_location"]["row"]) for edit in edits), default=line)
    return Finding(
        str(diagnostic.get("code") or SYNTAX),
        line,
        max(line, end),
        str(diagnostic["message"]),
        fix.get("applicability") == "safe",
    )

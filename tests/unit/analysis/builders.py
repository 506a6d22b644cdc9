"""Builders for findings, ledgers and source files."""

from collections.abc import Iterable
from typing import Any

from forge_kinds.analysis.findings import Dimension, Finding, Severity, content_digest, fingerprinted
from forge_kinds.analysis.inventory import SourceFile, is_test
from forge_kinds.analysis.languages import language_of
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.rules import Rule


def a_rule(code: str = "F841", **changes: Any) -> Rule:
    """A rule of ruff's."""
    about: dict[str, Any] = {
        "id": code,
        "name": "unused-variable",
        "dimension": Dimension.MAINTAINABILITY,
        "severity": Severity.MEDIUM,
        "minutes": 15.0,
        "summary": "A local variable is assigned to but never used",
        "help_uri": "https://docs.astral.sh/ruff/rules/unused-variable",
        "title": "Unused variable",
    }
    return Rule(**{**about, **changes})


def a_finding(rule: str = "F841", path: str = "src/app.py", line: int = 3, **changes: Any) -> Finding:
    """A finding that is not fingerprinted yet."""
    about: dict[str, Any] = {
        "severity": Severity.MEDIUM,
        "dimension": Dimension.MAINTAINABILITY,
        "message": "Local variable is assigned to but never used",
        "content": content_digest("x = 1"),
    }
    return Finding(rule=rule, path=path, line=line, **{**about, **changes})


def a_ledger(findings: Iterable[Finding]) -> Ledger:
    """A ledger that holds these."""
    ledger = Ledger()
    ledger.add(fingerprinted(findings))
    return ledger


def a_source(path: str = "src/app.py", size: int = 100) -> SourceFile:
    """A file to analyse."""
    return SourceFile(path.encode(), path, size, language_of(path), is_test(path), analysed=True)

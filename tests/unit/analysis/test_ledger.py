"""The ledger: totals are exact, the list is bounded."""

import pytest

from forge_kinds.analysis import ledger as module
from forge_kinds.analysis.findings import Dimension, Severity
from tests.unit.analysis.builders import a_finding, a_ledger


def test_totals_stay_exact_when_the_list_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_PER_RULE", 10)
    ledger = a_ledger([a_finding(line=n) for n in range(1000)])
    assert ledger.total == 1000
    assert ledger.penalties[Dimension.MAINTAINABILITY][Severity.MEDIUM] == 1000
    assert len(ledger.kept()) == 10


def test_the_gravest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    low = [a_finding(rule="E741", line=n, severity=Severity.LOW) for n in range(5)]
    high = [a_finding(rule="F821", line=n, severity=Severity.HIGH) for n in range(50, 53)]
    assert {finding.rule for finding in a_ledger([*low, *high]).kept()} == {"F821"}


def test_suppressed_findings_are_listed_but_not_counted() -> None:
    ledger = a_ledger([a_finding(suppressed=True), a_finding(line=9)])
    assert (ledger.total, ledger.suppressed, len(ledger.kept())) == (1, 1, 2)

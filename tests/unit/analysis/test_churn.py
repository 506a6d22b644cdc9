"""Where cost and change meet."""

from forge_kinds.analysis.churn import Churn
from forge_kinds.analysis.findings import Severity
from tests.unit.analysis.builders import a_finding, a_ledger


def test_a_file_is_hot_when_it_costs_and_changes() -> None:
    ledger = a_ledger(
        [
            a_finding(path="a.py", severity=Severity.LOW),
            a_finding(path="b.py", severity=Severity.HIGH),
            a_finding(path="c.py"),
        ]
    )
    told = Churn(40, {"a.py": 30, "b.py": 2, "fine.py": 40}).document(ledger)
    assert told == {
        "commits": 40,
        "files": [
            {"path": "a.py", "changes": 30, "cost": 1.0, "heat": 30.0},
            {"path": "b.py", "changes": 2, "cost": 12.0, "heat": 24.0},
        ],
    }


def test_equally_hot_files_come_in_order_of_path() -> None:
    ledger = a_ledger([a_finding(path=path) for path in ("b.py", "a.py", "c.py")])
    told = Churn(3, dict.fromkeys(("c.py", "a.py", "b.py"), 1)).document(ledger)
    assert [each["path"] for each in told["files"]] == ["a.py", "b.py", "c.py"]

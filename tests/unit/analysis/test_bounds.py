"""What bounds an analysis: the container's CPUs, and the sizes that are taken further on."""

import json
import os
from pathlib import Path

import pytest

from forge_kinds.analysis import summary
from forge_kinds.analysis.findings import Severity
from forge_runner.sources.bounded import available_cpus
from tests.unit.analysis.builders import a_finding, a_rule


@pytest.mark.parametrize(
    ("quota", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_containers_limit_bounds_the_workers(tmp_path: Path, quota: str, cpus: int | None) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert available_cpus(tmp_path / "cpu.max") == (cpus or len(os.sched_getaffinity(0)))


def test_without_a_limit_every_cpu_works(tmp_path: Path) -> None:
    assert available_cpus(tmp_path / "missing") == len(os.sched_getaffinity(0))


def test_a_report_too_large_to_be_stored_lists_the_gravest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "MAX_ARTIFACT_BYTES", 20_000)
    findings = [a_finding(line=n, severity=Severity.LOW) for n in range(1, 500)]
    body = summary.report({}, [*findings, a_finding(line=900, severity=Severity.CRITICAL)], {"F841": a_rule()})
    assert len(body) <= 20_000
    assert "critical" in {each["severity"] for each in json.loads(body)["results"]}

"""The SARIF file: valid against the real schema, and within what GitHub's code scanning takes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from forge_kinds.analysis import sarif
from forge_kinds.analysis.findings import Dimension, Finding, Severity, State, fingerprinted
from forge_kinds.analysis.rules import Rule, own_rules, ruff_rules
from forge_runner.sources.ruff import catalogue
from tests.unit.analysis.builders import a_finding, a_rule

SCHEMA = json.loads((Path(__file__).parent / "schema" / "sarif-2.1.0.json").read_text())


def a_writer(paths: dict[str, bytes], rules: dict[str, Rule] | None = None, base: str = "") -> sarif.Writer:
    """Of a run over one commit, compared with `base` if that is given."""
    return sarif.Writer(rules or {"F841": a_rule()}, paths, "0.1.0", sarif.Runs("c0ffee", base, {"paths": ["src"]}))


def encoded(findings: list[Finding], rules: dict[str, Rule] | None = None) -> dict[str, Any]:
    paths = {finding.path: finding.path.encode() for finding in findings}
    body = a_writer(paths, rules).encode(fingerprinted(findings))
    document: dict[str, Any] = json.loads(body)
    Draft4Validator(SCHEMA).validate(document)
    return document


@pytest.fixture(scope="module")
def all_rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    kinds = ("AWS Access Key", "Secret Keyword", "Hex High Entropy String")
    return {**ruff_rules(catalogue(tmp_path_factory.mktemp("neutral"))), **own_rules(kinds)}


def test_a_file_without_findings_is_valid() -> None:
    assert encoded([])["runs"][0]["results"] == []


def test_every_rule_that_can_be_reported_is_valid_and_complete(all_rules: dict[str, Rule]) -> None:
    findings = [
        a_finding(rule=rule, severity=each.severity, dimension=each.dimension) for rule, each in all_rules.items()
    ]
    described = encoded(findings, all_rules)["runs"][0]["tool"]["driver"]["rules"]
    assert len(described) == len(all_rules) > 250
    for rule in described:
        assert rule["helpUri"].startswith("https://")
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"note", "warning", "error"}
        assert 0 < len(rule["properties"]["tags"]) <= 20
        assert ("security" in rule["properties"]["tags"]) == ("security-severity" in rule["properties"])


def test_ruffs_rules_lead_to_ruffs_own_pages(all_rules: dict[str, Rule]) -> None:
    assert all_rules["F841"].help_uri == "https://docs.astral.sh/ruff/rules/unused-variable"


def test_a_place_is_relative_to_the_repositorys_root() -> None:
    [result] = encoded([a_finding(path="src/my app#1%.py", end_line=5)])["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "src/my%20app%231%25.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 3, "startColumn": 1, "endLine": 5}


def test_a_path_that_is_no_text_keeps_its_bytes() -> None:
    finding = a_finding(path="caf\\xe9.py")
    document = json.loads(a_writer({finding.path: b"caf\xe9.py"}).encode([finding]))
    assert (
        document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "caf%E9.py"
    )


def test_every_result_has_the_fingerprint_github_tracks_it_by() -> None:
    results = encoded([a_finding(line=n) for n in range(1, 4)])["runs"][0]["results"]
    assert len({result["partialFingerprints"]["primaryLocationLineHash"] for result in results}) == 3


def test_a_risk_carries_its_severity_as_a_number() -> None:
    rules = {"S602": a_rule("S602", dimension=Dimension.SECURITY, severity=Severity.CRITICAL)}
    described = encoded([a_finding(rule="S602")], rules)["runs"][0]["tool"]["driver"]["rules"][0]
    assert float(described["properties"]["security-severity"]) > 9.0


def test_what_a_comment_suppresses_is_told_as_suppressed() -> None:
    [result] = encoded([a_finding(suppressed=True)])["runs"][0]["results"]
    assert result["suppressions"][0]["kind"] == "inSource"


def test_a_file_too_large_for_github_keeps_the_gravest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_ZIPPED", 3000)
    low = [a_finding(line=n, severity=Severity.LOW, content=f"{n:x}") for n in range(1, 200)]
    document = encoded([*low, a_finding(line=500, severity=Severity.CRITICAL)])
    levels = [result["level"] for result in document["runs"][0]["results"]]
    assert "error" in levels
    assert len(levels) < 200


def test_a_compared_run_names_its_baseline_and_every_result_its_state() -> None:
    states = (State.NEW, State.UNCHANGED, State.ABSENT)
    findings = [replace(a_finding(line=number), state=state) for number, state in enumerate(states, 1)]
    document = json.loads(a_writer({}, base="beef").encode(fingerprinted(findings)))
    Draft4Validator(SCHEMA).validate(document)
    run = document["runs"][0]
    assert [result["baselineState"] for result in run["results"]] == ["new", "unchanged", "absent"]
    earlier = json.loads(sarif.Writer({}, {}, "0.1.0", sarif.Runs("beef", "", {"paths": ["src"]})).encode([]))
    assert run["baselineGuid"] == earlier["runs"][0]["automationDetails"]["guid"]
    assert run["automationDetails"]["guid"] != run["baselineGuid"]


def test_without_a_baseline_no_result_has_a_state() -> None:
    [run] = encoded([a_finding()])["runs"]
    assert "baselineGuid" not in run
    assert "baselineState" not in run["results"][0]

"""A whole analysis, from a real git server to the result that a lead engineer reads."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from forge_core.attempts import ARTIFACT_NAME, MAX_SUMMARY_BYTES
from tests.integration.analysis.conftest import Analyse, Analysed
from tests.integration.workspace.repositories import Content

SCHEMA = Path(__file__).parents[2] / "unit" / "analysis" / "schema" / "sarif-2.1.0.json"

NESTED = (
    b"def tangled(a):\n"
    + b"".join(b"    " * n + b"if a > %d:\n" % n for n in range(1, 8))
    + b"    " * 8
    + b"return a\n"
)
FILES: dict[bytes, Content] = {
    b"src/app.py": b"import os\nimport subprocess\n\n\ndef run(command):\n    unused = 1\n"
    b"    return subprocess.call(command, shell=True)\n",
    b"src/tangled.py": NESTED,
    b"src/quiet.py": b"def f():\n    left = 1  # noqa: F841\n    return eval('1')  # noqa: S307\n",
    b"tests/test_app.py": b"import os\n\n\ndef test_it():\n    assert True\n",
    b"web/app.js": b"function f(a, b) {\n  return a && b;\n}\n",
    b"settings.toml": b'db_password = "Tr0ub4dor&3x"\n',
    b"README.md": b"# Shop\n",
}


@pytest.fixture
def shop(analysed: Analyse) -> Analysed:
    """A small shop, with one thing of each kind to find."""
    return analysed(FILES)


def test_a_result_says_how_good_where_and_what_first(shop: Analysed) -> None:
    summary = shop.summary
    assert summary["score"]["grade"] in "ABCDE"
    assert set(summary["score"]["dimensions"]) == {"maintainability", "complexity", "security", "secrets", "size"}
    assert {language["language"] for language in summary["languages"]} == {"Python", "JavaScript", "TOML", "Markdown"}
    assert summary["hotSpots"]["files"][0]["path"] == "src/app.py"
    assert summary["hotSpots"]["functions"][0]["function"] == "tangled"
    advised = summary["recommendations"]
    assert "S602" in {each["rule"] for each in advised[:5]}
    assert all(each["firstStep"] and each["effortMinutes"] > 0 for each in advised)
    gains = [each["pointsPerHour"] for each in advised]
    assert gains == sorted(gains, reverse=True)
    assert len(json.dumps(summary)) < MAX_SUMMARY_BYTES


def test_each_tool_has_its_say(shop: Analysed) -> None:
    found = {(finding["rule"], finding["path"]) for finding in shop.findings}
    assert {
        ("S602", "src/app.py"), ("F841", "src/app.py"), ("F401", "src/app.py"), ("F401", "tests/test_app.py"),
        ("forge/cognitive-complexity", "src/tangled.py"), ("S307", "src/quiet.py"),
        ("forge/secret/secret-keyword", "settings.toml"),
    } <= found  # fmt: skip


def test_a_finding_in_tests_weighs_less(shop: Analysed) -> None:
    severities = {finding["path"]: finding["severity"] for finding in shop.findings if finding["rule"] == "F401"}
    assert severities == {"src/app.py": "low", "tests/test_app.py": "info"}


def test_a_comment_on_the_line_hides_a_flaw_but_no_risk(shop: Analysed) -> None:
    quiet = {
        finding["rule"]: finding.get("suppressed", False)
        for finding in shop.findings
        if finding["path"] == "src/quiet.py"
    }
    assert quiet == {"F841": True, "S307": False, "forge/unused-function": False}
    assert shop.summary["findings"]["suppressed"] == 1


def test_no_secret_is_in_any_part_of_the_result(shop: Analysed) -> None:
    everything = json.dumps(shop.summary).encode() + b"".join(artifact.body for artifact in shop.result.artifacts)
    assert b"Tr0ub4dor" not in everything
    assert "Tr0ub4dor" not in "".join(shop.report.lines)


def test_a_secret_in_a_comparison_does_not_leave_by_a_linters_message(analysed: Analyse) -> None:
    shop = analysed(
        {b"a.py": b"def check(password):\n    return 'hunter2-hunter2' == password and ('hunter2-hunter2' or 1)\n"}
    )
    assert b"hunter2" not in b"".join(artifact.body for artifact in shop.result.artifacts)


def test_the_sarif_file_is_valid_and_every_result_has_its_rule(shop: Analysed) -> None:
    document = shop.artifact("results.sarif")
    Draft4Validator(json.loads(SCHEMA.read_text())).validate(document)
    run = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(shop.findings)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(finding["helpUri"].startswith("https://") for finding in shop.findings)


def test_percentages_come_in_order_and_from_files_that_finish(shop: Analysed) -> None:
    assert shop.report.percents == sorted(shop.report.percents)
    by_stage: dict[str, list[float]] = {}
    for stage, percent, _message in shop.report.progressed:
        by_stage.setdefault(stage, []).append(percent)
    assert list(by_stage) == ["cloning", "analysing", "recommending"]
    assert (by_stage["cloning"][0], by_stage["cloning"][-1]) == (5, 10)
    assert (by_stage["analysing"][0], round(by_stage["analysing"][-1], 6)) == (15, 80)
    assert (by_stage["recommending"][0], by_stage["recommending"][-1]) == (80, 95)
    assert len(by_stage["analysing"]) == 1 + 7 + 4  # seven files read, four of them linted too


def test_two_analyses_of_one_commit_are_equal_to_the_byte(analysed: Analyse) -> None:
    first, second = analysed(FILES), analysed(FILES)
    assert first.summary == second.summary
    assert json.dumps(first.summary) == json.dumps(second.summary)
    assert [artifact.body for artifact in first.result.artifacts] == [
        artifact.body for artifact in second.result.artifacts
    ]


def test_fingerprints_outlive_edits_elsewhere_in_the_file(analysed: Analyse) -> None:
    body = FILES[b"src/app.py"]
    assert isinstance(body, bytes)
    before, after = analysed({b"a.py": body}), analysed({b"a.py": b"# one\n# two\n\n" + body})
    assert {finding["fingerprint"] for finding in before.findings} == {
        finding["fingerprint"] for finding in after.findings
    }


def test_artefacts_have_names_that_the_api_takes(shop: Analysed) -> None:
    import re

    assert [artifact.name for artifact in shop.result.artifacts] == [
        "report.json",
        "results.sarif",
        "summary.md",
        "baseline.json",
    ]
    assert all(re.match(ARTIFACT_NAME, artifact.name) for artifact in shop.result.artifacts)


def test_a_job_may_ask_for_a_part(analysed: Analyse) -> None:
    shop = analysed(FILES, paths=["src"], exclude=["*/tangled.py"])
    assert {finding["path"] for finding in shop.findings} == {"src/app.py", "src/quiet.py"}

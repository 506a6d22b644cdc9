"""A commit against its baseline, on real repositories: what is new, fixed and unchanged, and the gate's verdict."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from forge_core.names import BASELINE_PATH_ENV
from forge_kinds.analysis import analyse
from forge_runner.report import Permanent
from tests.integration.analysis.conftest import Analysed
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import LINK, Content, Odd, a_branch, a_repository, git
from tests.integration.workspace.servers import GitServer

SCHEMA = Path(__file__).parents[2] / "unit" / "analysis" / "schema" / "sarif-2.1.0.json"
Files = Mapping[bytes, Content]
Compare = Callable[..., Analysed]

OLD = b"import os\n\n\ndef run(command):\n    unused = 1\n    return eval(command)\n"
RISK = b"import subprocess\n\n\ndef call(command):\n    return subprocess.call(command, shell=True)\n"
LONG = b"".join(b"total_%d = first_%d + second_%d * 3\n" % (n, n, n) for n in range(40))


@pytest.fixture
def compared(server: GitServer, tmp_path: Path) -> Compare:
    """Commits `before` on main and `after` on the branch change, and analyses change against main."""
    made = iter(range(100))

    def run(before: Files, after: Files, *, gate: dict[str, Any] | None = None, **config: Any) -> Analysed:
        number = next(made)
        a_repository(server.root, f"{number}.git", before)
        a_branch(server.root / f"{number}.git", "change", after)
        workdir = tmp_path / f"work-{number}"
        workdir.mkdir()
        report = Remembered()
        config = {"baseline": {"ref": "main"}, **config, **({"gate": gate} if gate else {})}
        assignment = an_assignment(server.url(f"{number}.git"), "change", config=config)
        return Analysed(analyse(assignment, workdir, report), report)

    return run


def counts(analysed: Analysed) -> tuple[int, int, int]:
    told = analysed.summary["baseline"]
    return told["new"]["total"], told["fixed"]["total"], told["unchanged"]


def states(analysed: Analysed, artifact: str = "results.sarif") -> set[tuple[str, str]]:
    document = analysed.artifact(artifact)
    Draft4Validator(json.loads(SCHEMA.read_text())).validate(document)
    return {(result["ruleId"], result["baselineState"]) for result in document["runs"][0]["results"]}


def test_the_same_files_have_nothing_new_and_nothing_fixed(compared: Compare) -> None:
    same = compared({b"a.py": OLD}, {b"a.py": OLD})
    assert counts(same) == (0, 0, 3)
    assert {state for _, state in states(same)} == {"unchanged"}


def test_new_and_fixed_findings_are_told_apart(compared: Compare) -> None:
    told = compared({b"a.py": OLD, b"b.py": b"x = 1\n"}, {b"a.py": OLD.replace(b"import os\n", b""), b"b.py": RISK})
    assert counts(told)[1:] == (1, 2)
    assert ("S602", "new") in states(told)
    assert ("F841", "unchanged") in states(told)
    assert ("F401", "absent") in states(told, "with-fixed.sarif")
    assert "absent" not in {state for _, state in states(told)}
    assert {finding["state"] for finding in told.findings if finding["rule"] == "S602"} == {"new"}


def test_moved_lines_and_a_renamed_file_bring_nothing_new(compared: Compare) -> None:
    filler = b"".join(b"value_%d = %d\n" % (n, n) for n in range(30))
    told = compared({b"src/a.py": OLD + filler}, {b"lib/moved.py": b"# first\n\n" + OLD + filler})
    assert counts(told) == (0, 0, 3)


def test_of_equal_lines_the_one_that_was_added_is_new(compared: Compare) -> None:
    before = b"def main():\n    return eval('1')\n"
    told = compared({b"a.py": before}, {b"a.py": b"def setup():\n    return eval('1')\n\n\n" + before})
    assert counts(told) == (1, 0, 1)
    assert [finding["line"] for finding in told.findings if finding["state"] == "new"] == [2]


def test_the_baseline_is_told_with_its_commit_and_score(compared: Compare) -> None:
    told = compared({b"a.py": OLD}, {b"a.py": b"x = 1\n"}).summary
    assert told["baseline"]["ref"] == "main"
    assert len(told["baseline"]["commit"]) == 40 != told["commit"]
    assert told["baseline"]["score"] < told["score"]["value"] == 100


def test_comparing_reads_only_what_differs_and_tells_the_same_as_a_whole_analysis(compared: Compare) -> None:
    before = {b"a.py": OLD, b"b.py": OLD, b"c.js": b"function f() {}\n"}
    told = compared(before, {**before, b"b.py": RISK})
    whole = compared(before, before)
    assert told.summary["baseline"]["score"] == whole.summary["score"]["value"]
    assert told.report.percents == sorted(told.report.percents)
    analysing = [message for stage, _, message in told.report.progressed if stage == "analysing"]
    assert "1 of 1 files" in analysing
    assert "3 of 3 files" in analysing


def test_a_gate_passes_or_fails_with_reasons_and_the_work_is_done_either_way(compared: Compare) -> None:
    gate = {"noNew": "high", "scoreNotLower": True, "maxNewDuplication": 0}
    better = compared({b"a.py": OLD}, {b"a.py": b"x = 1\n"}, gate=gate).summary["gate"]
    assert better["verdict"] == "passed"
    assert [each["passed"] for each in better["conditions"]] == [True, True, True]
    worse = compared({b"a.py": LONG}, {b"a.py": LONG, b"b.py": RISK + LONG}, gate=gate)
    assert worse.summary["gate"]["verdict"] == "failed"
    assert [each["passed"] for each in worse.summary["gate"]["conditions"]] == [False, False, False]
    reasons = " ".join(each["reason"] for each in worse.summary["gate"]["conditions"])
    assert "1 critical" in reasons
    assert "40 of 42 new lines" in reasons
    assert worse.summary["baseline"]["newCode"] == {"lines": 42, "duplicatedLines": 40, "duplicatedPercent": 95.2}


def test_the_markdown_says_what_a_reviewer_needs(compared: Compare) -> None:
    told = compared({b"a.py": OLD}, {b"a.py": OLD.replace(b"import os\n", b""), b"b.py": RISK}, gate={"noNew": "high"})
    [body] = [artifact.body.decode() for artifact in told.result.artifacts if artifact.name == "summary.md"]
    assert body.startswith("## Gate failed: ")
    assert "**1 new**, 1 fixed, 2 unchanged since `main`" in body
    assert "| critical | `b.py:5` |" in body
    assert "❌ New findings of high severity or graver: 1 critical." in body


def test_two_runs_are_equal_to_the_byte(compared: Compare) -> None:
    runs = [compared({b"a.py": OLD + LONG}, {b"b.py": RISK + LONG}, gate={"noNew": "high"}) for _ in range(2)]
    assert json.dumps(runs[0].summary) == json.dumps(runs[1].summary)
    bodies = [[artifact.body for artifact in run.result.artifacts] for run in runs]
    assert bodies[0] == bodies[1]


def test_odd_names_links_and_types_that_change_are_compared(compared: Compare) -> None:
    odd = b'caf\xe9 "quoted"\n@@ -1 +1 @@.py'
    told = compared(
        {odd: OLD, b"was-link.py": Odd(LINK, b"a.py"), b"was-file.py": OLD},
        {b"sub/" + odd: OLD, b"was-link.py": RISK, b"was-file.py": Odd(LINK, b"elsewhere")},
    )
    new, fixed, unchanged = counts(told)
    assert (new, fixed, unchanged) == (1, 3, 3)


def test_a_file_that_looks_like_a_diff_fools_nobody(compared: Compare) -> None:
    lure = b"x = '''\ndiff --git a/q b/q\n@@ -1,9 +1,9 @@\n'''\n"
    told = compared({b"a.py": lure}, {b"a.py": lure + lure, b"b.py": RISK})
    assert told.summary["baseline"]["newCode"]["lines"] == 5


def test_a_baseline_that_is_not_there_ends_the_job(compared: Compare) -> None:
    with pytest.raises(Permanent, match="no branch, tag or commit 'nowhere'"):
        compared({b"a.py": OLD}, {b"a.py": OLD}, baseline={"ref": "nowhere"})


@pytest.mark.parametrize("ref", ["--upload-pack=touch x", "a..b", "a b", "refs/heads/*", "@{-1}", "x:y"])
def test_a_baseline_ref_that_git_could_misread_is_refused(compared: Compare, ref: str) -> None:
    with pytest.raises(Permanent, match="not one that git can have"):
        compared({b"a.py": OLD}, {b"a.py": OLD}, baseline={"ref": ref})


ANALYSIS = "6a0f2b9e-8a51-4d3e-9d5e-0c7c1f3b2a11"


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Analysed], dict[str, Any]]:
    """Gives the runner what an analysis left; the answer is the `config` that names it."""

    def give(analysed: Analysed) -> dict[str, Any]:
        [body] = [artifact.body for artifact in analysed.result.artifacts if artifact.name == "baseline.json"]
        file = tmp_path / "given"
        file.write_bytes(body)
        monkeypatch.setenv(BASELINE_PATH_ENV, str(file))
        return {"baseline": {"analysis": ANALYSIS}}

    return give


def at(server: GitServer, tmp_path: Path, name: str, ref: str, **config: Any) -> Analysed:
    workdir = tmp_path / f"{name}-{ref}-{len(list(tmp_path.iterdir()))}"
    workdir.mkdir()
    report = Remembered()
    return Analysed(analyse(an_assignment(server.url(name), ref, config=config), workdir, report), report)


@pytest.fixture
def shop(server: GitServer) -> str:
    """A repository with a branch that renames, mends and adds."""
    a_repository(server.root, "shop.git", {b"a.py": OLD + LONG, b"b.py": OLD})
    a_branch(server.root / "shop.git", "change", {b"moved.py": b"\n" + OLD + LONG, b"c.py": RISK + LONG})
    return "shop.git"


def test_an_earlier_analysis_as_baseline_tells_the_same_as_its_ref(
    server: GitServer, tmp_path: Path, shop: str, earlier: Callable[[Analysed], dict[str, Any]]
) -> None:
    gate = {"noNew": "medium", "scoreNotLower": True, "maxNewDuplication": 50}
    by_ref = at(server, tmp_path, shop, "change", baseline={"ref": "main"}, gate=gate)
    by_id = at(server, tmp_path, shop, "change", **earlier(at(server, tmp_path, shop, "main")), gate=gate)
    assert by_id.summary["baseline"] == {**by_ref.summary["baseline"], "ref": None, "analysis": ANALYSIS}
    assert by_id.summary["gate"] == by_ref.summary["gate"]
    for name in ("results.sarif", "with-fixed.sarif"):
        assert by_id.artifact(name)["runs"][0]["results"] == by_ref.artifact(name)["runs"][0]["results"]


def test_when_the_baselines_commit_is_gone_its_findings_are_still_compared(
    server: GitServer, tmp_path: Path, shop: str, earlier: Callable[[Analysed], dict[str, Any]]
) -> None:
    before = at(server, tmp_path, shop, "main")
    config = earlier(before)
    git(server.root / shop, "update-ref", "-d", "refs/heads/main")
    git(server.root / shop, "gc", "--quiet", "--prune=now")
    told = at(server, tmp_path, shop, "change", **config, gate={"maxNewDuplication": 100})
    assert "changes-unknown" in told.notes
    assert told.summary["baseline"]["fixed"]["total"] == before.summary["findings"]["total"]
    assert "newCode" not in told.summary["baseline"]
    assert told.summary["gate"]["verdict"] == "failed"


def test_an_analysis_of_another_part_is_refused(
    server: GitServer, tmp_path: Path, shop: str, earlier: Callable[[Analysed], dict[str, Any]]
) -> None:
    config = earlier(at(server, tmp_path, shop, "main", exclude=["b.py"]))
    with pytest.raises(Permanent, match=r"config\.exclude: the baseline's analysis looked at another part"):
        at(server, tmp_path, shop, "change", **config)


def test_without_what_was_asked_for_the_job_ends(server: GitServer, tmp_path: Path, shop: str) -> None:
    with pytest.raises(Permanent, match="wasn't given that analysis' findings"):
        at(server, tmp_path, shop, "change", baseline={"analysis": ANALYSIS})

"""A refactoring as the runner starts it: by its kind's name, of a commit that a real git server has."""

from pathlib import Path

from forge_runner.kinds import KINDS
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import a_repository, git
from tests.integration.workspace.servers import GitServer

FILES = {b"a.py": b"import sys\nimport os\n\nprint(os)\n", b"b.txt": b"import sys\n"}


def test_the_patch_applies_to_the_commit_that_the_summary_names(server: GitServer, tmp_path: Path) -> None:
    commit = a_repository(server.root, "r.git", FILES)
    report, workdir = Remembered(), tmp_path / "work"
    workdir.mkdir()
    assignment = an_assignment(server.url("r.git"), kind="refactoring", config={"imports": ["remove-unused"]})
    result = KINDS["refactoring"](assignment, workdir, report)
    assert result.summary["commit"] == commit
    assert result.summary["patch"]["linesRemoved"] == 1
    [patch] = [each.body for each in result.artifacts if each.name == "changes.patch"]
    git(tmp_path, "clone", "--quiet", str(server.root / "r.git"), "clone")
    git(tmp_path / "clone", "apply", "--check", "-", stdin=patch)
    git(tmp_path / "clone", "apply", "-", stdin=patch)
    assert (tmp_path / "clone/a.py").read_bytes() == b"import os\n\nprint(os)\n"
    assert git(tmp_path / "clone", "status", "--porcelain") == "M a.py"


def test_percentages_only_rise_and_come_from_files(server: GitServer, tmp_path: Path) -> None:
    a_repository(server.root, "r.git", {b"f%03d.py" % number: FILES[b"a.py"] for number in range(150)})
    report, workdir = Remembered(), tmp_path / "work"
    workdir.mkdir()
    config = {"imports": ["sort"], "modernize": "3.12"}
    KINDS["refactoring"](an_assignment(server.url("r.git"), kind="refactoring", config=config), workdir, report)
    assert report.percents == sorted(report.percents)
    assert [stage for stage, _, _ in report.progressed][-1] == "patching"
    assert "imports: 300 of 300 files" in [message for _, _, message in report.progressed]

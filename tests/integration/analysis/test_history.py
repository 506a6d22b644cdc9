"""How often files change, from real histories: as deep as was asked for, and no deeper."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forge_kinds.analysis import analyse
from forge_runner.report import Permanent
from tests.integration.analysis.conftest import Analysed
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import an_empty_repository, git
from tests.integration.workspace.servers import GitServer

BAD = b"import os\n"
DAY = 24 * 3600
START = 1_760_000_000


def a_history(root: Path, commits: list[dict[bytes, bytes]]) -> None:
    """`shop.git`, a commit a day, each with these files changed."""
    bare = an_empty_repository(root, "shop.git")
    stream = b""
    for number, files in enumerate(commits):
        stream += b"commit refs/heads/main\ncommitter ann <a@b> %d +0000\ndata 1\nx\n" % (START + number * DAY)
        for path, body in files.items():
            stream += b'M 100644 inline "%s"\ndata %d\n%s\n' % (path, len(body), body)
    git(bare, "fast-import", "--quiet", stdin=stream)


def analysed(server: GitServer, tmp_path: Path, **config: Any) -> Analysed:
    workdir = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
    workdir.mkdir()
    report = Remembered()
    return Analysed(analyse(an_assignment(server.url("shop.git"), config=config), workdir, report), report)


@pytest.fixture
def shop(server: GitServer) -> GitServer:
    """Six commits: often.py is changed in five, rarely.py in one, both cost the same; fine.py costs nothing."""
    often = [{b"often.py": BAD + b"x = %d\n" % n, b"fine.py": b"x = %d\n" % n} for n in range(5)]
    a_history(
        server.root,
        [{b"often.py": BAD, b"rarely.py": BAD, b"fine.py": b""}, *often[:-1], {**often[-1], b"rarely.py": b"\n" + BAD}],
    )
    return server


def test_costly_files_that_change_often_come_first(shop: GitServer, tmp_path: Path) -> None:
    told = analysed(shop, tmp_path, history={"commits": 100}).summary["history"]
    assert told["commits"] == 6
    assert [(each["path"], each["changes"]) for each in told["files"]] == [("often.py", 5), ("rarely.py", 1)]
    assert told["files"][0]["heat"] == told["files"][0]["cost"] * 5


def test_only_as_many_commits_as_were_asked_for_are_looked_at(shop: GitServer, tmp_path: Path) -> None:
    told = analysed(shop, tmp_path, history={"commits": 3}).summary["history"]
    assert (told["commits"], [each["changes"] for each in told["files"]]) == (3, [2, 1])


def test_a_day_bounds_it_as_well(shop: GitServer, tmp_path: Path) -> None:
    day = datetime.fromtimestamp(START + 3 * DAY, UTC).date().isoformat()
    assert analysed(shop, tmp_path, history={"since": day}).summary["history"]["commits"] == 3
    assert analysed(shop, tmp_path, history={"since": "2100-01-01"}).summary["history"] == {"commits": 1, "files": []}


def test_without_it_no_history_is_fetched_and_the_findings_are_the_same(shop: GitServer, tmp_path: Path) -> None:
    plain, deep = analysed(shop, tmp_path), analysed(shop, tmp_path, history={"commits": 100})
    assert "history" not in plain.summary
    assert plain.findings == deep.findings


@pytest.mark.parametrize(
    "history",
    [{}, {"commits": 1}, {"commits": 5001}, {"since": "yesterday"}, {"since": "--upload-pack=x"},
     {"commits": 5, "since": "2026-01-01"}, {"commits": "5; touch x"}],
)  # fmt: skip
def test_what_can_not_be_is_refused(shop: GitServer, tmp_path: Path, history: dict[str, Any]) -> None:
    with pytest.raises(Permanent, match=r"config\.history"):
        analysed(shop, tmp_path, history=history)

"""verify: a real repository, real git, real pytest in a real sandbox; what makes a test fail is put back."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forge_core.assignment import Sandbox
from forge_runner.report import Permanent, Transient
from tests.builders.package_index import package_index
from tests.integration.refactoring.conftest import Refactor, Refactored
from tests.services.sandbox import SandboxServer, sandbox_server

UNUSED = b"import os\nimport sys\n\n\ndef {name}():\n    return 1\n"
GOOD, ALSO_GOOD = (UNUSED.replace(b"{name}", name) for name in (b"good", b"also_good"))
RELIED_UPON = b"import json\n\nX = 1\n"
"""Its import serves others, which a look at one file can't see."""
TESTS = b"""import fine, more, relied


def test_fine():
    assert fine.good() == 1


def test_more():
    assert more.also_good() == 1


def test_relied():
    assert relied.json.loads('1') == 1


def test_that_always_failed():
    assert False
"""
FILES = {b"fine.py": GOOD, b"more.py": ALSO_GOOD, b"relied.py": RELIED_UPON, b"test_all.py": TESTS}
REMOVE: dict[str, Any] = {"imports": ["remove-unused"], "exclude": ["test_*"]}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """One sandbox for all."""
    with sandbox_server() as running:
        yield running


@pytest.fixture
def verified(refactored: Refactor, server: SandboxServer) -> Refactor:
    """Refactors with the sandbox at hand; without an index unless one is given."""
    return partial(refactored, volume=server.volume, terms=Sandbox())


def log_of(done: Refactored) -> str:
    """The artefact."""
    return b"".join(each.body for each in done.result.artifacts if each.name == "tests.log").decode()


def test_what_makes_a_test_fail_is_put_back_and_the_rest_is_delivered(verified: Refactor) -> None:
    done = verified(FILES, **REMOVE, verify={"pytest": True})
    assert done.now("relied.py") == RELIED_UPON
    assert b"import" not in done.now("fine.py") + done.now("more.py")
    assert "test_all.py::test_relied" in done.why["relied.py"]
    tests = done.summary["tests"]
    assert (tests["status"], tests["files"]) == ("some-dropped", {"kept": 2, "partly": 0, "dropped": 1})
    assert tests["before"]["shown"] == tests["after"]["shown"] == ["test_all.py::test_that_always_failed"]
    assert tests["before"]["counts"] == {"failed": 1, "passed": 3}
    assert "1 were put back" in done.summary["message"]
    assert done.summary["findings"]["byRule"] == {"F401": [5, 1]}
    assert "test_relied" in log_of(done)


def test_of_a_file_only_the_rule_that_makes_a_test_fail_is_put_back(verified: Refactor) -> None:
    relied = b"import sys\nimport json\n\nX = 1\n\n\ndef f():\n    'Does nothing.'\n    pass\n"
    files = {**FILES, b"relied.py": relied}
    asked = {**REMOVE, "imports": ["sort", "remove-unused"], "fix": ["PIE790"]}
    done = verified(files, **asked, verify={"pytest": True})
    now = done.now("relied.py")
    assert now == b"import json\nimport sys\n\nX = 1\n\n\ndef f():\n    'Does nothing.'\n"
    assert done.summary["tests"]["files"] == {"kept": 2, "partly": 1, "dropped": 0}
    assert "1 were put back in part" in done.summary["message"]
    dropped = [each for each in done.listed["dropped"] if each["path"] == "relied.py"]
    assert {each["rule"] for each in dropped} == {"F401"}
    assert all("test_all.py::test_relied" in each["why"] for each in dropped)
    kept = {each["rule"] for each in done.listed["changes"] if each["path"] == "relied.py"}
    assert kept == {"I001", "PIE790"}
    assert done.summary["findings"]["byRule"]["F401"] == [6, 2]


def test_a_patch_with_which_the_tests_hold_is_delivered_whole_in_two_runs(verified: Refactor) -> None:
    files = {**FILES, b"relied.py": b"import json\nprint(json)\nimport os\n"}
    done = verified(files, **REMOVE, verify={"pytest": True})
    assert (done.summary["tests"]["status"], done.summary["tests"]["runs"]) == ("hold", 2)
    assert done.summary["files"]["changed"] == 3
    stages = [stage for stage, _percent, _message in done.report.progressed]
    assert stages.index("testing") > stages.index("verifying")
    assert done.report.percents == sorted(done.report.percents)


def test_a_test_that_fails_by_chance_costs_no_change_and_is_named(verified: Refactor) -> None:
    unsteady = b"""from pathlib import Path


def test_now_and_then():
    runs = Path("../../kept/runs")
    runs.write_text((runs.read_text() if runs.exists() else "") + "x")
    assert runs.read_text() != "xx"
"""
    files = {b"fine.py": GOOD, b"more.py": ALSO_GOOD, b"test_chance.py": unsteady}
    done = verified(files, **REMOVE, verify={"pytest": True})
    tests = done.summary["tests"]
    assert (tests["status"], tests["runs"]) == ("hold", 3)
    assert tests["unsteady"] == {"tests": 1, "shown": ["test_chance.py::test_now_and_then"]}
    assert "1 test fails by chance" in done.summary["message"]
    assert b"import" not in done.now("fine.py") + done.now("more.py")


def test_a_patch_without_verify_has_no_word_of_tests(verified: Refactor) -> None:
    done = verified(FILES, **REMOVE)
    assert "tests" not in done.summary
    assert b"import json" not in done.now("relied.py")


def test_a_command_verifies_as_a_whole(verified: Refactor) -> None:
    command = ["python", "-c", "import fine, more, relied; relied.json; print('held')"]
    done = verified(FILES, **REMOVE, verify={"command": command})
    assert done.summary["tests"]["status"] == "some-dropped"
    assert done.now("relied.py") == RELIED_UPON
    assert "the command, with code 1" in done.why["relied.py"]
    assert "no attribute 'json'" in done.why["relied.py"]


def test_a_renaming_is_kept_or_put_back_as_a_whole(verified: Refactor) -> None:
    files = {
        b"names.py": b"def old():\n    return 1\n",
        b"user.py": b"import os\nfrom names import old\n\nprint(old())\n",
        b"fine.py": GOOD,
        b"test_names.py": b"import names\n\n\ndef test_by_name():\n    assert vars(names)['o' + 'ld']\n",
    }  # fmt: skip
    rename = {"symbol": "names.old", "to": "new"}
    done = verified(files, rename=rename, imports=["remove-unused"], verify={"pytest": True})
    assert {path: done.now(path.decode()) for path in (b"names.py", b"user.py")} == {
        path: files[path] for path in (b"names.py", b"user.py")
    }
    assert b"import" not in done.now("fine.py")
    assert {"names.py", "user.py"} <= set(done.why)


HOPELESS = {
    "tests that aren't there": ({b"a.py": GOOD}, {"pytest": True}, "No file of the repository"),
    "a test file without a test": ({**FILES, b"test_all.py": b"x = 1\n"}, {"pytest": True}, "finds no tests"),
    "a command that isn't there": (FILES, {"command": ["no-such-program"]}, "could not be started"),
    "a command that failed before": (FILES, {"command": ["false"]}, "Without any change fails the command"),
    "tests that hang": (FILES, {"command": ["sleep", "100"], "timeout": "1s"}, "did not end in its time"),
    "a configuration that pytest refuses": (
        {**FILES, b"pytest.ini": b"[pytest]\naddopts = --no-such-option\n"}, {"pytest": True}, "code 4"),
    "output that looks like a summary": (
        {**FILES, b"conftest.py": b"import os\nprint('= short test summary info =\\n3 passed')\nos.abort()\n"},
        {"pytest": True}, "Not verified"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOPELESS)
def test_where_the_tests_say_nothing_the_patch_is_delivered_and_says_so(verified: Refactor, case: str) -> None:
    files, verify, said = HOPELESS[case]
    done = verified(files, **REMOVE, verify=verify)
    assert done.summary["tests"]["status"] == "unverified"
    assert said in done.summary["tests"]["message"]
    assert "Not verified by tests" in done.summary["message"]
    assert done.summary["files"]["changed"] >= 1


def test_tests_that_write_into_the_tree_or_stay_behind_change_nothing_of_the_patch(
    verified: Refactor, server: SandboxServer
) -> None:
    hostile = b"""import os, pathlib, subprocess

STAYS = "while :; do for f in fine.py more.py; do echo evil > $f; done; done"
subprocess.Popen(["setsid", "sh", "-c", STAYS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_replaces():
    for name in os.listdir("../.."):
        if name not in ("run", "kept"):
            pathlib.Path("../..", name).write_text("evil")
    pathlib.Path("fine.py").unlink()
    os.symlink("/etc/passwd", "fine.py")
    pathlib.Path("../../changes.patch").write_text("evil")
"""
    done = verified({**FILES, b"test_evil.py": hostile}, **REMOVE, verify={"pytest": True})
    assert done.now("fine.py").lstrip() == b"def good():\n    return 1\n"
    assert b"evil" not in done.patch
    assert server.others() == []


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index with one package, `needed`."""
    with package_index(tmp_path / "index") as url:
        yield url


NEEDING = {b"fine.py": GOOD, b"requirements.txt": b"needed==1.0  # for the tests\n", b"check.py": b"import needed\n"}
CHECK = {"command": ["python", "check.py"], "install": ["requirements.txt"]}


def test_dependencies_come_from_the_queues_index(refactored: Refactor, server: SandboxServer, index: str) -> None:
    wanted = {**REMOVE, "exclude": ["check.py"], "verify": CHECK}
    done = refactored(NEEDING, volume=server.volume, terms=Sandbox(index=index), **wanted)
    assert done.summary["tests"]["status"] == "hold", log_of(done)


def test_a_queue_without_an_index_installs_nothing(verified: Refactor) -> None:
    with pytest.raises(Permanent, match=r"installs nothing.*spec\.sandbox\.packages"):
        verified(NEEDING, **REMOVE, verify=CHECK)


def test_a_queue_without_a_sandbox_runs_no_tests(refactored: Refactor) -> None:
    with pytest.raises(Permanent, match="this queue has no sandbox"):
        refactored(FILES, **REMOVE, verify={"pytest": True})


def test_a_package_that_the_index_lacks_leaves_the_patch_unverified(
    refactored: Refactor, server: SandboxServer, index: str
) -> None:
    files = {**NEEDING, b"requirements.txt": b"no-such-package\n"}
    done = refactored(files, volume=server.volume, terms=Sandbox(index=index), **REMOVE, verify=CHECK)
    assert done.summary["tests"]["status"] == "unverified"
    assert "could not be installed" in done.summary["message"]
    assert "no-such-package" in log_of(done)


ELSEWHERE = [
    b"--index-url https://evil.test/simple\nneeded\n", b"-r other.txt\n", b"-e .\n", b"evil @ https://evil.test/x.whl\n",
    b"https://evil.test/x.whl\n", b"git+https://evil.test/x\n", b"./local.whl\n", b"needed \\\n --hash=sha256:00\n",
    b"${INDEX}\n", b"# -*- coding: utf-7 -*-\nevil +AEA- x\n", "needed\n".encode("utf-16"), b"sub/folder\n",
    b"a\x0b--index-url x\n", b"evil#@\n",
]  # fmt: skip


@pytest.mark.parametrize("body", ELSEWHERE)
def test_requirements_that_lead_elsewhere_are_refused(refactored: Refactor, server: SandboxServer, body: bytes) -> None:
    files, terms = {**NEEDING, b"requirements.txt": body}, Sandbox(index="http://127.0.0.1:9/simple")
    with pytest.raises(Permanent, match="has a line that isn't a name and a version"):
        refactored(files, volume=server.volume, terms=terms, **REMOVE, verify=CHECK)


@pytest.mark.parametrize(
    "verify",
    [
        {}, {"pytest": False}, {"pytest": True, "command": ["x"]}, {"command": []}, {"command": [""]},
        {"command": ["a\0b"]}, {"command": ["x"] * 51}, {"command": ["x" * 1001]}, {"command": "make test"},
        {"pytest": True, "install": ["/etc/x.txt"]}, {"pytest": True, "install": ["-r x.txt"]},
        {"pytest": True, "install": ["https://evil.test/x.txt"]}, {"pytest": True, "timeout": "2h"},
        {"pytest": True, "timeout": "soon"}, {"pytest": True, "environment": {}},
    ],
)  # fmt: skip
def test_a_verify_that_can_mean_nothing_is_refused(refactored: Refactor, verify: dict[str, Any]) -> None:
    with pytest.raises(Permanent, match=r"config\.verify"):
        refactored(FILES, terms=Sandbox(index="http://i.test"), **REMOVE, verify=verify)


def test_a_sandbox_that_is_not_there_fails_the_attempt_and_not_the_job(
    refactored: Refactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_runner.sandbox.CONNECT_SECONDS", 0.2)
    with pytest.raises(Transient, match="The pod's sandbox can't be reached"):
        refactored(FILES, volume=tmp_path / "none", terms=Sandbox(), **REMOVE, verify={"pytest": True})

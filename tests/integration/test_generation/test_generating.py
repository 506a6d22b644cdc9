"""Test generation for small repositories: what is delivered passes, adds, says what, and is the same each time."""

from pathlib import Path
from typing import Any

import pytest

from forge_core.assignment import Sandbox
from forge_runner.report import Permanent, Transient
from tests.builders.package_index import package_index
from tests.integration.test_generation.conftest import Generate

GRADES = b'''"""Grades."""


def grade(points: int) -> str:
    """The grade of so many points. Raises ValueError."""
    if points < 0:
        raise ValueError("negative")
    if points > 90:
        return "good"
    return "fair" if points > 50 else "poor"


def doubled(text: str) -> str:
    return text + text


class Counter:
    def __init__(self):
        self.count = 0

    def add(self, number=1):
        if number > 100:
            self.count = 0
        else:
            self.count += number
        return self.count
'''
OWN = b"""from school.grades import grade


def test_a_good_one():
    assert grade(95) == "good"
"""
SCHOOL = {b"school/__init__.py": b"", b"school/grades.py": GRADES, b"tests/test_own.py": OWN}


@pytest.fixture(scope="module")
def files() -> dict[bytes, bytes]:
    return dict(SCHOOL)


def test_kept_tests_pass_add_say_what_and_are_the_same_each_time(
    generated: Generate, files: dict[bytes, bytes]
) -> None:
    done = generated(files)
    coverage, gain = done.summary["coverage"], done.summary["gain"]
    assert 0 < coverage["before"]["lines"]["percent"] < coverage["after"]["lines"]["percent"], done.log
    assert gain["lines"] > 20
    assert gain["branches"] > 20
    assert f"to {coverage['after']['lines']['percent']} %" in done.summary["message"]
    assert done.summary["tests"]["kept"] == len(done.tests) >= 3
    assert done.summary["ownTests"] == {"passed": 1}
    assert done.summary["verified"] == {"runs": 3, "withOwnTests": 3}
    assert done.passes()
    assert done.passes("-p", "no:hypothesispytest")
    seen: set[str] = set()
    for test in done.tests:
        items = {
            f"{each['path']}:{item}" for each in test["adds"] for item in (*each["lines"], *each["branches"])
        }  # fmt: skip
        assert items
        assert seen.isdisjoint(items)
        seen |= items
        assert f"def {test['name']}(" in (done.after / test["file"]).read_text()
    assert {test["kind"] for test in done.tests} <= {"characterisation", "property"}
    assert "Covers what nothing covered before: " in done.source()
    assert done.source().count("def test_") == len(done.tests)
    assert done.report.percents == sorted(done.report.percents)
    assert {"measuring", "generating", "verifying"} <= {stage for stage, _percent, _message in done.report.progressed}
    again = generated(files)
    assert again.artifact("tests.patch") == done.artifact("tests.patch")
    assert again.summary == done.summary


def test_nothing_left_to_cover_is_a_completed_job_without_a_patch(generated: Generate) -> None:
    done = generated({b"a.py": b"X = 1\n", b"test_a.py": b"import a\n\n\ndef test_x():\n    assert a.X == 1\n"})
    assert done.artifact("tests.patch") == b""
    assert done.summary["tests"]["kept"] == 0
    assert "Line coverage stays at 100.0 %" in done.summary["message"]


def test_only_named_targets_get_tests_and_below_src_they_are_imported_from_there(generated: Generate) -> None:
    modules = {f"src/school/{name}.py".encode(): GRADES for name in ("grades", "other")}
    done = generated({b"src/school/__init__.py": b"", **modules}, targets=["school.other"])
    assert done.summary["coverage"]["before"]["lines"]["percent"] == 0.0
    assert {test["target"] for test in done.tests} == {"school.other"}


REFUSED: dict[str, tuple[dict[bytes, bytes], dict[str, Any], str]] = {
    "no module": ({b"README.md": b"x"}, {}, "No Python module is among those asked for"),
    "a target that isn't there": (SCHOOL, {"targets": ["school.nothing"]}, "there is no module school.nothing"),
    "nothing that can be imported": (
        {b"a.py": b"import no_such_module_at_all\n", b"b.py": b"1 / 0\n"}, {},
        r"None of 2 modules can be imported.*a: ModuleNotFoundError.*b: ZeroDivisionError"),
    "an installation that the queue doesn't have": (SCHOOL, {"install": ["."]}, "this queue installs nothing"),
    "a budget that is none": (SCHOOL, {"budget": "1s"}, r"config\.budget"),
    "a field of another kind": (SCHOOL, {"modernize": "3.11"}, r"config\.modernize"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_come_to_nothing_is_refused_with_a_sentence(generated: Generate, case: str) -> None:
    files, config, said = REFUSED[case]
    with pytest.raises(Permanent, match=said):
        generated(files, **config)


def test_a_queue_without_a_sandbox_makes_no_tests(generated: Generate, files: dict[bytes, bytes]) -> None:
    with pytest.raises(Permanent, match=r"this queue has no sandbox.*spec\.sandbox"):
        generated(files, terms=None)


NEEDING = b"""import needed


def over(number: int) -> str:
    if number > needed.VALUE:
        return "over"
    return "under"
"""


def test_a_module_is_imported_with_what_was_installed_from_the_queues_index(
    generated: Generate, tmp_path: Path
) -> None:
    files = {b"limits.py": NEEDING, b"requirements.txt": b"needed==1.0\n"}
    with package_index(tmp_path / "index") as url:
        done = generated(files, terms=Sandbox(index=url), install=["requirements.txt"])
    coverage = done.summary["coverage"]
    assert coverage["after"]["lines"]["percent"] == 100.0, done.log
    assert {test["target"] for test in done.tests} == {"limits"}


def test_what_the_index_lacks_is_refused_by_its_name(generated: Generate, tmp_path: Path) -> None:
    files = {b"limits.py": NEEDING, b"requirements.txt": b"no-such-package\n"}
    with package_index(tmp_path / "index") as url, pytest.raises(Permanent, match=r"config\.install.*no-such-package"):
        generated(files, terms=Sandbox(index=url), install=["requirements.txt"])


def test_requirements_that_are_not_there_are_refused(generated: Generate, files: dict[bytes, bytes]) -> None:
    with pytest.raises(Permanent, match=r"config\.install: there is no file needed\.txt"):
        generated(files, terms=Sandbox(index="http://127.0.0.1:9/simple"), install=["needed.txt"])


def test_a_sandbox_that_is_not_there_fails_the_attempt_and_not_the_job(
    generated: Generate, files: dict[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_runner.sandbox.CONNECT_SECONDS", 0.2)
    with pytest.raises(Transient, match="The pod's sandbox can't be reached"):
        generated(files, volume=tmp_path / "none")

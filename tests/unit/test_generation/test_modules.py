"""Which files may be targets and how they are imported, from a commit's tree alone."""

from typing import Any

import pytest

from forge_kinds.test_generation.config import TestGenerationConfig
from forge_kinds.test_generation.modules import MAX_FILE_BYTES, located, plan, roots_of
from forge_kinds.test_generation.notes import Notes
from forge_runner.report import Permanent
from forge_runner.workspace.tree import Entry, EntryKind


def entries(*paths: str) -> list[Entry]:
    return [Entry(path.encode(), EntryKind.FILE, 10) for path in paths]


def names(found: list[Entry], **config: Any) -> list[str]:
    return [module.name for module in plan(found, TestGenerationConfig.read(config), Notes())]


PLACES = {
    "a.py": ("a", ""), "pkg/__init__.py": ("pkg", ""), "pkg/a.py": ("pkg.a", ""), "pkg/sub/b.py": ("pkg.sub.b", ""),
    "src/lib/__init__.py": ("lib", "src"), "src/lib/c.py": ("lib.c", "src"), "src/d.py": ("d", "src"),
    "one/two/lib2/__init__.py": ("lib2", "one/two"), "pkg/plain/e.py": ("e", "pkg/plain"),
}  # fmt: skip
PACKAGES = ["pkg/__init__.py", "pkg/sub/__init__.py", "src/lib/__init__.py", "one/two/lib2/__init__.py"]


@pytest.mark.parametrize("path", PLACES)
def test_a_module_is_imported_from_the_first_folder_that_is_no_package(path: str) -> None:
    module = located(path, {*PLACES, *PACKAGES})
    assert (module.name, module.root) == PLACES[path]


def test_roots_are_given_once_and_the_repositorys_own_first() -> None:
    modules = [located(path, {*PLACES, *PACKAGES}) for path in PLACES]
    assert roots_of(modules) == ("", "one/two", "pkg/plain", "src")


NOT_TARGETS = [
    "test_a.py", "a_test.py", "tests/helpers.py", "pkg/tests/helpers.py", "conftest.py", "setup.py", "noxfile.py",
    "docs/conf.py", "docs/tool.py", "examples/a.py", "pkg/__main__.py", "README.md", "a.pyi", "my-script.py",
    "pkg/not-a-name/x.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", NOT_TARGETS)
def test_what_nobody_imports_is_no_target(path: str) -> None:
    assert names(entries("good.py", path)) == ["good"]


def test_a_folder_that_is_asked_for_counts_although_it_lies_beside() -> None:
    assert names(entries("good.py", "scripts/tool.py"), paths=["scripts"]) == ["tool"]


def test_named_targets_come_in_their_order_and_once() -> None:
    found = entries("a.py", "b.py", "c.py")
    assert names(found, targets=["c", "a", "c"]) == ["c", "a"]
    assert names(found) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("config", "said"),
    [({"targets": ["nothing"]}, "there is no module nothing"), ({"paths": ["other"]}, "No Python module"),
     ({"exclude": ["*"]}, "No Python module")],
)  # fmt: skip
def test_nothing_to_do_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(Permanent, match=said):
        names(entries("a.py"), **config)


def test_what_is_passed_over_is_noted() -> None:
    notes = Notes()
    odd = [
        Entry(b"link.py", EntryKind.SYMLINK, 1), Entry(b"large.py", EntryKind.FILE, MAX_FILE_BYTES + 1),
        Entry(b"vendor/v.py", EntryKind.FILE, 1), Entry(b"x_pb2.py", EntryKind.FILE, 1),
        Entry(b"\xff.py", EntryKind.FILE, 1), Entry(b"good.py", EntryKind.FILE, 1),
    ]  # fmt: skip
    assert [module.name for module in plan(odd, TestGenerationConfig(), notes)] == ["good"]
    assert {note["code"]: note["count"] for note in notes.document()} == {
        "too-large": 1, "vendored": 1, "generated": 1, "not-plain": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [
        {"budget": "59s"}, {"budget": "2h"}, {"budget": "soon"}, {"targets": ["a b"]}, {"targets": ["a."]},
        {"targets": ["x"] * 51}, {"install": ["/etc/x.txt"]}, {"install": ["-r x.txt"]}, {"paths": ["../x"]},
        {"command": ["make"]},
    ],
)  # fmt: skip
def test_a_config_that_can_mean_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(Permanent, match=r"config\."):
        TestGenerationConfig.read(config)

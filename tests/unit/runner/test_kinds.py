"""Which kinds an image knows, and what none of them may hold."""

from pathlib import Path

import grimp
import pytest

from forge_runner.kinds import KINDS
from tests.conftest import ROOT

FORBIDDEN = ("kopf", "kubernetes", "sqlalchemy", "psycopg", "forge_core.history", "forge_core.cluster", "redis")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place where modules are found, with a folder for kinds."""
    (tmp_path / "forge_kinds").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "forge_kinds"


def test_a_kind_is_known_by_its_folder_s_name() -> None:
    from forge_kinds.analysis.analysis import analyse

    assert KINDS["analysis"] is analyse


def test_every_folder_with_an_image_is_a_kind_with_all_that_belongs_to_one() -> None:
    folders = {file.parent for file in (ROOT / "job-images").glob("*/Dockerfile")}
    assert set(KINDS) == {folder.name for folder in folders}
    for folder in folders:
        assert {file.name for file in folder.iterdir()} >= {"config.yaml", "examples", "forge_kinds"}


def test_a_new_kind_is_one_folder_more(folder: Path) -> None:
    (folder / "sixth_kind").mkdir()
    (folder / "sixth_kind/__init__.py").write_text("def work(assignment, workdir, report): return workdir\n")
    assert "sixth-kind" in set(KINDS)
    assert KINDS["sixth-kind"].__module__ == "forge_kinds.sixth_kind"


@pytest.mark.parametrize("name", ["poetry", "", "..", "os.path", "analysis.analysis", "Analysis", "a" * 64])
def test_what_is_no_folder_is_no_kind(name: str) -> None:
    assert KINDS.get(name) is None


def test_a_kind_whose_library_is_missing_says_so(folder: Path) -> None:
    (folder / "half_built.py").write_text("import no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        KINDS["half-built"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_holds_no_client_of_the_cluster_nor_of_a_database(kind: str) -> None:
    module = f"forge_kinds.{kind.replace('-', '_')}"
    graph = grimp.build_graph(module, "forge_runner", "forge_core", include_external_packages=True, cache_dir=None)
    reached = graph.find_upstream_modules(module, as_package=True)
    only_in_the_shell = {"redis"}  # the runner's shell reports for every kind
    direct = {
        each
        for one in graph.find_descendants(module) | {module}
        for each in graph.find_modules_directly_imported_by(one)
    }
    assert not [each for each in reached if each.startswith(tuple(set(FORBIDDEN) - only_in_the_shell))]
    assert not [each for each in direct if each.startswith(FORBIDDEN)]

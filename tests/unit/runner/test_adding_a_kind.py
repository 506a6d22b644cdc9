"""docs/adding-a-kind.md: what it adds is one folder, and the definitions come from the kinds' schemas."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from forge_runner.kinds import KINDS
from tests.builders.new_kind import NewKind, new_kind
from tests.conftest import ROOT

PROGRAM = "job-images/config_schema.py"


@pytest.fixture
def added(tmp_path: Path) -> NewKind:
    """The project with the page's kind."""
    return new_kind(tmp_path)


def compose(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make crds`, or with --check its check."""
    return subprocess.run([sys.executable, PROGRAM, *arguments], cwd=root, capture_output=True, text=True, check=False)


def config(root: Path) -> dict[str, Any]:
    """The fields of `config` in the AnalysisJob's definition."""
    definition = yaml.safe_load((root / "crds/forge-factory.dev_analysisjobs.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields: dict[str, Any] = spec["properties"]["config"]["properties"]
    return fields


def module() -> ModuleType:
    """The composing program."""
    spec = importlib.util.spec_from_file_location("config_schema", ROOT / PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_a_kind_takes_one_folder_and_composing(added: NewKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(added.folder)
    assert "line-count" in set(KINDS)
    stale = compose(added.root, "--check")
    assert (stale.returncode, "crds/forge-factory.dev_analysisjobs.yaml is stale" in stale.stdout) == (1, True)
    assert compose(added.root).returncode == 0
    assert compose(added.root, "--check").returncode == 0
    assert set(config(added.root)) == {*config(ROOT), "suffixes"}
    chart = added.root / "helm/forge-jobs/crds/forge-factory.dev_analysisjobs.yaml"
    assert chart.read_bytes() == (added.root / "crds" / chart.name).read_bytes()


def test_composing_changes_nothing_else_and_twice_is_once(added: NewKind) -> None:
    shutil.rmtree(added.folder)
    before = (added.root / "crds/forge-factory.dev_analysisjobs.yaml").read_bytes()
    for _ in range(2):
        assert compose(added.root).returncode == 0
        assert (added.root / "crds/forge-factory.dev_analysisjobs.yaml").read_bytes() == before


def test_a_field_of_two_kinds_has_one_schema_and_both_descriptions(added: NewKind) -> None:
    shared = {"paths": {**config(ROOT)["paths"], "description": "For a line count: only below these."}}
    (added.folder / "config.yaml").write_text(yaml.safe_dump(shared))
    assert compose(added.root).returncode == 0
    assert config(added.root)["paths"]["description"].endswith("is analysed. For a line count: only below these.")
    shared["paths"]["maxItems"] = 7
    (added.folder / "config.yaml").write_text(yaml.safe_dump(shared))
    refused = compose(added.root)
    assert refused.returncode == 1
    assert "line-count/config.yaml: `paths` has another schema in another kind" in refused.stderr


def test_a_definition_without_its_marks_is_told_and_left_alone(added: NewKind) -> None:
    file = added.root / "crds/forge-factory.dev_analysisjobs.yaml"
    file.write_text(file.read_text().replace(module().END + "\n", ""))
    before = file.read_bytes()
    refused = compose(added.root)
    assert "has lost its marks" in refused.stderr
    assert file.read_bytes() == before

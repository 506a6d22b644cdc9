"""docs/adding-a-kind.md: what it adds is one folder, and the definitions come from the kinds' schemas."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from forge_runner.kinds import KINDS
from tests.builders.new_kind import NewKind, new_kind
from tests.conftest import ROOT


@pytest.fixture
def added(tmp_path: Path) -> NewKind:
    """The project with the page's kind."""
    return new_kind(tmp_path)


def config(root: Path) -> dict[str, Any]:
    """The fields of `config` in the AnalysisJob's definition."""
    definition = yaml.safe_load((root / "crds/forge-factory.dev_analysisjobs.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields: dict[str, Any] = spec["properties"]["config"]["properties"]
    return fields


def test_a_kind_takes_one_folder_and_composing(added: NewKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(added.folder)
    assert "line-count" in set(KINDS)
    stale = added.compose("--check")
    assert (stale.returncode, "crds/forge-factory.dev_analysisjobs.yaml is stale" in stale.stdout) == (1, True)
    assert added.compose().returncode == 0
    assert added.compose("--check").returncode == 0
    assert set(config(added.root)) == {*config(ROOT), "suffixes"}
    chart = added.root / "helm/forge-jobs/crds/forge-factory.dev_analysisjobs.yaml"
    assert chart.read_bytes() == (added.root / "crds" / chart.name).read_bytes()


def test_composing_changes_nothing_else_and_twice_is_once(added: NewKind) -> None:
    shutil.rmtree(added.folder)
    before = (added.root / "crds/forge-factory.dev_analysisjobs.yaml").read_bytes()
    for _ in range(2):
        assert added.compose().returncode == 0
        assert (added.root / "crds/forge-factory.dev_analysisjobs.yaml").read_bytes() == before


def test_a_field_of_two_kinds_has_one_schema_and_both_descriptions(added: NewKind) -> None:
    shared = {"paths": {**config(ROOT)["paths"], "description": "For a line count: only below these."}}
    (added.folder / "config.yaml").write_text(yaml.safe_dump(shared))
    assert added.compose().returncode == 0
    described = config(added.root)["paths"]["description"]
    assert described.startswith("For an analysis: only files under these paths")
    assert "For a line count: only below these." in described
    shared["paths"]["maxItems"] = 7
    (added.folder / "config.yaml").write_text(yaml.safe_dump(shared))
    refused = added.compose()
    assert refused.returncode == 1
    assert "line-count/config.yaml: `paths` has another schema in another kind" in refused.stderr


def test_a_definition_without_its_marks_is_told_and_left_alone(added: NewKind) -> None:
    file = added.root / "crds/forge-factory.dev_analysisjobs.yaml"
    text = file.read_text()
    file.write_text(text.replace("# end\n", ""))
    assert file.read_text() != text
    before = file.read_bytes()
    refused = added.compose()
    assert "has lost its marks" in refused.stderr
    assert file.read_bytes() == before

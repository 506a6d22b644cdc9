"""The definitions: one source, read as documentation, and of one mind with the programs."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from forge_core import durations, resource
from forge_core.crds import read
from forge_core.maintenance import Task
from forge_core.names import ANALYSIS_JOBS, GROUP, JOB_QUEUES, VERSION
from forge_core.phase import Phase
from forge_core.resource import JobSpec, QueueSpec
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.cleanup.config import CleanupConfig
from forge_kinds.refactoring.config import Imports, RefactoringConfig, Target
from forge_kinds.test_generation.config import TestGenerationConfig
from forge_kinds.webhooks.config import DeliveryConfig
from tests.builders.chart import CHART
from tests.conftest import ROOT

DEFINITIONS = {document["spec"]["names"]["plural"]: document for document in read(ROOT / "crds")}


def schema(plural: str) -> dict[str, Any]:
    whole: dict[str, Any] = DEFINITIONS[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return whole


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in node:
            yield from nodes(node[word], f"{path}[]")


ALL = [(plural, path, node) for plural in DEFINITIONS for path, node in nodes(schema(plural))]


def test_the_chart_ships_the_same_bytes_as_crds() -> None:
    source = {file.name: file.read_bytes() for file in (ROOT / "crds").iterdir()}
    assert {file.name: file.read_bytes() for file in (CHART / "crds").iterdir()} == source


def test_there_is_one_definition_for_each_kind_that_the_programs_know() -> None:
    assert set(DEFINITIONS) == {ANALYSIS_JOBS, JOB_QUEUES}
    for definition in DEFINITIONS.values():
        assert definition["spec"]["group"] == GROUP
        assert [version["name"] for version in definition["spec"]["versions"]] == [VERSION]


@pytest.mark.parametrize(("plural", "path", "node"), ALL, ids=[f"{plural}{path}" for plural, path, _ in ALL])
def test_every_field_is_described_and_bounded(plural: str, path: str, node: dict[str, Any]) -> None:
    if path != ".metadata" and not path.endswith("[]"):
        assert node.get("description", "").strip().endswith((".", "v1alpha1.")), "kubectl explain shows this"
    bounded = {
        "string": {"maxLength", "enum"} | ({"format"} if node.get("format") == "date-time" else set()),
        "integer": {"minimum"},
        "array": {"maxItems"},
    }
    wanted = bounded.get(node["type"], set())
    if path not in {".apiVersion", ".kind"}:
        assert not wanted or wanted & set(node), f"a {node['type']} without a bound"
    if "additionalProperties" in node:
        assert "maxProperties" in node


def test_nothing_unknown_is_kept_but_the_summary_of_a_result() -> None:
    kept = [(plural, path) for plural, path, node in ALL if node.get("x-kubernetes-preserve-unknown-fields")]
    assert kept == [(ANALYSIS_JOBS, ".status.summary")]


@pytest.mark.parametrize(("plural", "path", "node"), ALL, ids=[f"{plural}{path}" for plural, path, _ in ALL])
def test_every_rule_has_a_sentence_of_its_own(plural: str, path: str, node: dict[str, Any]) -> None:
    for rule in node.get("x-kubernetes-validations", []):
        assert len(rule["message"]) > 20
        assert "\n" not in rule["message"]


def fields(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_the_queue_that_the_programs_read_has_the_fields_of_its_schema() -> None:
    assert set(schema(JOB_QUEUES)["properties"]["spec"]["properties"]) == fields(QueueSpec)


def test_the_job_that_the_programs_read_has_the_fields_of_its_schema() -> None:
    assert set(schema(ANALYSIS_JOBS)["properties"]["spec"]["properties"]) == fields(JobSpec)


def test_the_configuration_is_what_the_kinds_know() -> None:
    config = schema(ANALYSIS_JOBS)["properties"]["spec"]["properties"]["config"]["properties"]
    assert set(config) == {
        *AnalysisConfig.model_fields,
        *CleanupConfig.model_fields,
        *DeliveryConfig.__struct_fields__,
        *RefactoringConfig.model_fields,
        *TestGenerationConfig.model_fields,
    }
    assert config["modernize"]["enum"] == list(get_args(Target))
    assert config["imports"]["items"]["enum"] == list(Imports)
    assert config["task"]["enum"] == [str(task) for task in Task]


def test_phases_are_the_programs_phases() -> None:
    assert schema(ANALYSIS_JOBS)["properties"]["status"]["properties"]["phase"]["enum"] == [str(p) for p in Phase]


def test_priorities_have_the_programs_bounds() -> None:
    priority = schema(ANALYSIS_JOBS)["properties"]["spec"]["properties"]["priority"]
    assert (priority["minimum"], priority["maximum"]) == (1, resource.LOWEST_PRIORITY)


def test_durations_are_written_as_the_programs_read_them() -> None:
    text = yaml.safe_dump(list(DEFINITIONS.values()), width=10**6)
    rules = [part for part in text.split("duration(") if "matches" in part]
    assert rules
    assert text.count("(ms|s|m|h)") == text.count(durations.PATTERN)

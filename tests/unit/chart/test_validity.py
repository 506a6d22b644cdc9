"""Every rendered manifest is one that the API server takes, and says nothing of the machine it was made on."""

import json
import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from forge_core import names
from forge_core.crds import read
from tests.builders.chart import CHART, VALUES, VARIANTS, Manifest, only, rendered
from tests.conftest import ROOT

KUBERNETES = "1.34"
DEFINITIONS = {document["spec"]["names"]["kind"]: document for document in read(ROOT / "crds")}
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
MONITORING: dict[str, dict[str, Any]] = {
    # What we use of monitoring.coreos.com/v1.
    "PodMonitor": {
        "type": "object",
        "required": ["selector", "podMetricsEndpoints"],
        "properties": {
            "selector": {"type": "object", "required": ["matchLabels"], "properties": {"matchLabels": TEXTS}},
            "podMetricsEndpoints": {
                "type": "array",
                "items": {"type": "object", "properties": {"port": TEXT, "path": TEXT, "interval": DURATION}},
            },
        },
    },
    "PrometheusRule": {
        "type": "object",
        "required": ["groups"],
        "properties": {
            "groups": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "rules"],
                    "properties": {
                        "name": TEXT,
                        "rules": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["expr"],
                                "properties": {
                                    "alert": TEXT, "record": TEXT, "expr": TEXT, "for": DURATION, "labels": TEXTS,
                                    "annotations": TEXTS,
                                },
                            },
                        },
                    },
                },
            }
        },
    },
}  # fmt: skip
COMBINATIONS = [(values, "as it comes") for values in VALUES[1:]] + [("values.yaml", variant) for variant in VARIANTS]
VALID: set[str] = set()  # what was found valid in one combination is so in all


@pytest.mark.parametrize(("values", "variant"), COMBINATIONS)
def test_every_manifest_is_valid(values: str, variant: str) -> None:
    for manifest in rendered(values, **VARIANTS[variant]):
        text = json.dumps(manifest)
        if text not in VALID:
            validate(manifest)
            VALID.add(text)


def validate(manifest: Manifest) -> None:
    """Raises when it isn't what the API server takes."""
    if manifest["kind"] in DEFINITIONS:
        definition = DEFINITIONS[manifest["kind"]]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        jsonschema.validate(manifest["spec"], strict(definition["properties"]["spec"]))
    elif manifest["kind"] in MONITORING:
        jsonschema.validate(manifest["spec"], strict(MONITORING[manifest["kind"]]))
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def strict(node: dict[str, Any]) -> dict[str, Any]:
    """A definition's schema, refusing fields that it doesn't name, as the API server does by fieldValidation=Strict."""
    copy = {key: value for key, value in node.items() if not key.startswith("x-")}
    if "properties" in node:
        copy["properties"] = {name: strict(child) for name, child in node["properties"].items()}
        copy["additionalProperties"] = False
    if isinstance(node.get("additionalProperties"), dict):
        copy["additionalProperties"] = strict(node["additionalProperties"])
    if "items" in node:
        copy["items"] = strict(node["items"])
    return copy


def test_the_hook_applies_the_definitions_that_the_chart_ships() -> None:
    manifests = rendered()
    shipped = {file.name: file.read_text() for file in (CHART / "crds").iterdir()}
    assert only(manifests, "ConfigMap", "forge-crds")["data"] == shipped
    job = only(manifests, "Job", "forge-crds")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    role = only(manifests, "ClusterRole", "forge-jobs:crds")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "patch", "create"}


def test_what_is_named_twice_is_named_the_same() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    for word in (names.TENANT_LABEL, names.INSTALLATION_LABEL, names.REDIS_SECRET, names.RUNNER_SERVICE_ACCOUNT):
        assert f"-}}}}{word}{{{{-" in helpers


def test_every_name_of_the_project_is_free_of_this_machines_paths() -> None:
    for file in CHART.rglob("*"):
        if file.is_file():
            assert not re.search(r"/work/|/tmp/[a-z]|localhost:\d", file.read_text()), file

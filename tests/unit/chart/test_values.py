"""Which values the chart takes, and what it says of others."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from tests.builders.chart import CHART, refusal

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a value that isn't there": ({"operatr": {}}, "additional properties 'operatr' not allowed"),
    "a nested value that isn't there": ({"redis__externl": {}}, "additional properties 'externl' not allowed"),
    "a timeout without a unit": ({"queues__analysis__timeout": "15"}, "/queues/analysis/timeout"),
    "a concurrency below none": ({"queues__analysis__concurrency": -1}, "/queues/analysis/concurrency"),
    "a field that a queue lacks": ({"queues__analysis__speed": 1}, "additional properties 'speed' not allowed"),
    "no namespace for a tenant": ({"tenants": {"a": {}}}, "missing property 'namespace'"),
    "a tenant named in capitals": ({"tenants": {"Team": {"namespace": "a"}}}, "Team"),
    "a tenant in the release's namespace": ({"tenants": {"a": {"namespace": "forge-jobs"}}}, "a namespace of its own"),
    "a weight of nothing": ({"tenants": {"a": {"namespace": "a", "weight": 0}}}, "/tenants/a/weight"),
    "a cap below none": ({"tenantDefaults__maxRunning": -1}, "/tenantDefaults/maxRunning"),
    "a weight for a namespace that is not the chart's": (
        {"tenants": {"a": {"namespace": "a", "createNamespace": False, "weight": 2}}},
        "kubectl annotate namespace a forge-factory.dev/weight",
    ),
    "no PostgreSQL at all": ({"postgres__enabled": False}, "/postgres/external/existingSecret"),
    "no Redis at all": ({"redis__enabled": False}, "/redis/external/url"),
    "a Redis URL with a password": ({"redis__external__url": "redis://u:p@h:1"}, "/redis/external/url"),
    "a private key as a public one": ({"auth__keys": {"k": "-----BEGIN PRIVATE KEY-----"}}, "/auth/keys/k"),
    "alerts in the clear": (
        {"alerts": {"sink": "webhook", "url": "http://alerts.example.com/"}},
        "/alerts/url",
    ),
    "alerts with a password in the URL": (
        {"alerts": {"sink": "webhook", "url": "https://a:b@alerts.example.com/"}},
        "/alerts/url",
    ),
    "alerts to nowhere": ({"alerts": {"sink": "webhook"}}, "/alerts/url"),
    "Datadog without a key": ({"alerts": {"sink": "datadog"}}, "/alerts/existingSecret"),
    "an alert sink that isn't built": ({"alerts": {"sink": "pager"}}, "/alerts/sink"),
    "an image with a space": ({"images__operator": "a b"}, "/images/operator"),
    "a sandbox without a memory limit": (
        {"queues__analysis__sandbox": {"limits": {"cpu": "1"}}},
        "/queues/analysis/sandbox/limits",
    ),
    "an index with a password": (
        {"queues__refactoring__sandbox__packages": {"index": "https://a:b@index.test/"}},
        "/queues/refactoring/sandbox/packages/index",
    ),
    "a number as a class's amount": ({"resourceClasses__small__requests__cpu": 1}, "/resourceClasses/small"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_are_refused(case: str) -> None:
    settings, said = REFUSED[case]
    assert said in refusal(**settings)


def test_the_schema_knows_every_value_and_each_default_fits_it() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(values, schema)
    assert set(values) <= set(schema["properties"])

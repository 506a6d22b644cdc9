"""The clone cache: nothing of it unless it is asked for, then all that it and its clients need and no more."""

import json
from typing import Any

import pytest

from forge_clones.settings import Settings
from forge_core import names
from forge_core.quantities import parse_quantity
from tests.builders.chart import Manifest, only, refusal, render

ON = {"cloneCache__enabled": "true", "tenants": json.dumps({"demo": {"namespace": "tenant-demo"}})}


def pod(**settings: str) -> Manifest:
    spec: Manifest = only(render(**ON | settings), "StatefulSet", "forge-clones")["spec"]["template"]["spec"]
    return spec


def variables(container: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


@pytest.mark.parametrize("values", ["values.yaml", "values-local.yaml", "values-large.yaml"])
def test_it_is_off_unless_it_is_asked_for(values: str) -> None:
    manifests = render(values)
    assert not [each for each in manifests if "clones" in each["metadata"]["name"]]
    [operator] = only(manifests, "Deployment", "forge-operator")["spec"]["template"]["spec"]["containers"]
    assert names.CLONES_URL_ENV not in variables(operator)


def test_the_operator_is_told_where_it_is() -> None:
    [operator] = only(render(**ON), "Deployment", "forge-operator")["spec"]["template"]["spec"]["containers"]
    assert variables(operator)[names.CLONES_URL_ENV] == "http://forge-clones.forge-jobs.svc:8082"
    [port] = only(render(**ON), "Service", "forge-clones")["spec"]["ports"]
    assert port == {"name": "http", "port": 8082, "targetPort": "http"}


def test_it_is_told_what_its_settings_ask_for_and_can_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = pod(allowedHosts='["git.example.com"]', cloneCache__maxSize='"50Gi"')["containers"]
    given = variables(container)
    assert set(given) <= {f"FORGE_{field.upper()}" for field in Settings.model_fields}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.hosts == ("git.example.com",)
    assert settings.rule.max_bytes == 50 * 1024**3
    assert settings.rule.unused_for == 7 * 24 * 3600
    assert settings.limits.packed_bytes == 4 * 1024**3
    assert settings.system_namespace == "forge-system"
    assert settings.port == container["ports"][0]["containerPort"]
    assert str(settings.clones_path) == container["volumeMounts"][0]["mountPath"]


def test_its_volume_has_room_for_one_more_mirror_than_it_keeps() -> None:
    [claim] = only(render(**ON), "StatefulSet", "forge-clones")["spec"]["volumeClaimTemplates"]
    size = parse_quantity(claim["spec"]["resources"]["requests"]["storage"])
    given = variables(pod()["containers"][0])
    assert size >= parse_quantity(given["FORGE_MAX_SIZE"]) + parse_quantity(given["FORGE_MIRROR_SIZE"])


def test_without_persistence_it_keeps_its_mirrors_as_long_as_its_pod() -> None:
    settings = {"cloneCache__persistence": '{"enabled": false, "size": "8Gi"}'}
    assert {"name": "data", "emptyDir": {"sizeLimit": "8Gi"}} in pod(**settings)["volumes"]
    assert "volumeClaimTemplates" not in only(render(**ON | settings), "StatefulSet", "forge-clones")["spec"]


def test_it_may_ask_who_calls_and_nothing_else() -> None:
    rules = only(render(**ON), "ClusterRole", "forge-jobs:clones")["rules"]
    granted = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {
        ("tokenreviews", "create"), ("pods", "get"), ("jobs", "get"), ("analysisjobs", "get"), ("jobqueues", "get"),
    }  # fmt: skip
    bound = [
        each["metadata"]["name"]
        for each in render(**ON)
        if any(subject["name"] == "forge-clones" for subject in each.get("subjects", ()))
    ]
    assert bound == ["forge-jobs:clones"]


def ports(rules: list[dict[str, Any]], selector: str) -> set[int]:
    return {
        port["port"]
        for rule in rules
        for peer in [*rule.get("to", ()), *rule.get("from", ())]
        if selector in json.dumps(peer)
        for port in rule["ports"]
    }


def test_runners_reach_it_and_it_reaches_public_hosts_and_no_private_address() -> None:
    manifests = render(**ON)
    for namespace in ("tenant-demo", "forge-system"):
        rules = only(manifests, "NetworkPolicy", "forge-jobs", namespace)["spec"]["egress"]
        assert ports(rules, '"app.kubernetes.io/component": "clones"') == {8082}
    policy = only(manifests, "NetworkPolicy", "forge-clones")["spec"]
    assert ports(policy["ingress"], '"app.kubernetes.io/component": "runner"') == {8082}
    assert ports(policy["egress"], "0.0.0.0/0") == {80, 443}
    blocks = [to["ipBlock"] for rule in policy["egress"] for to in rule.get("to", []) if "ipBlock" in to]
    refused = {cidr for block in blocks for cidr in block["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= refused


def test_it_reaches_the_hosts_that_runners_reach() -> None:
    more = [{"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"protocol": "TCP", "port": 9418}]}]
    policy = only(render(**ON, networkPolicy__runnerEgress=json.dumps(more)), "NetworkPolicy", "forge-clones")
    assert more[0] in policy["spec"]["egress"]


def test_old_clones_are_cleaned_daily_at_two() -> None:
    spec = only(render(**ON), "CronJob", "forge-old-clones")["spec"]
    assert spec["schedule"] == "0 2 * * *"
    [container] = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert variables(container)["FORGE_TASK"] == "cleanup-old-clones"


def test_it_is_scraped_with_the_others() -> None:
    monitor = only(render(**ON, monitoring__enabled="true"), "PodMonitor", "forge-clones")["spec"]
    assert monitor["podMetricsEndpoints"][0]["port"] == "http"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("maxSize", "much"), ("maxSize", -1), ("mirrorSize", "4 GiB"), ("unusedFor", "7d"), ("enabled", "yes"),
     ("replicas", 2)],
)  # fmt: skip
def test_values_that_can_t_be_meant_are_refused(name: str, wrong: object) -> None:
    assert "cloneCache" in refusal(**{f"cloneCache__{name}": wrong})

"""Every rendered manifest is valid, and keeps what the chart promises of security, names and numbers."""

import json
import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from forge_core import names
from forge_core.crds import read
from forge_core.durations import parse_duration
from forge_core.resource import QueueSpec
from tests.builders.chart import CHART, VALUES, Manifest, only, pod_specs, refusal, render
from tests.conftest import ROOT

KUBERNETES = "1.34"
TENANT = json.dumps({"demo": {"namespace": "tenant-demo"}})
DEFINITIONS = {document["spec"]["names"]["kind"]: document for document in read(ROOT / "crds")}


def rendered(values: str = "values.yaml", **settings: str) -> list[Manifest]:
    return render(values, **({"tenants": TENANT} | settings))


VARIANTS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "with own PostgreSQL and Redis": {
        "redis__enabled": "false",
        "redis__external": '{"url": "rediss://redis.example.com:6380", "existingSecret": "r", "ports": [6380]}',
        "postgres__enabled": "false",
        "postgres__external": '{"existingSecret": "pg"}',
    },
    "with a managed Redis without users": {
        "redis__enabled": "false",
        "redis__external": '{"url": "redis://redis.example.com:6379", "managed": true}',
    },
    "with volumes for Redis and none for PostgreSQL": {
        "redis__persistence": '{"enabled": true, "storageClassName": "fast"}',
        "postgres__persistence__enabled": "false",
    },
    "with an identity provider": {"auth__jwksUrl": '"https://id.example.com/jwks"', "auth__localKey__create": "false"},
    "without policies, quotas, queues and hook": {
        "networkPolicy__enabled": "false",
        "tenantDefaults__quota": "null",
        "tenantDefaults__containerDefaults": "null",
        "installQueues": "false",
        "crds__apply": "false",
        "userRoles__aggregate": "false",
    },
    "with Datadog's alerts": {"alerts": '{"sink": "datadog", "existingSecret": "datadog", "caSecret": "proxy-ca"}'},
    "with alerts to a receiver": {"alerts": '{"sink": "webhook", "existingSecret": "hook", "ports": [8443]}'},
    "watched": {
        "monitoring": '{"enabled": true, "rulesFile": {"enabled": true}, "dashboards": {"enabled": true},'
        ' "labels": {"release": "prometheus"}}'
    },
    "with a clone cache": {"cloneCache__enabled": "true", "monitoring": '{"enabled": true}'},
    "with a clone cache without a volume": {
        "cloneCache__enabled": "true",
        "cloneCache__persistence__enabled": "false",
        "networkPolicy__enabled": "false",
    },
    "under another name": {"installation": '"second"', "imagePullSecrets": '[{"name": "pull"}]'},
}


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


@pytest.mark.parametrize("values", VALUES)
def test_every_queue_is_one_that_the_programs_can_read(values: str) -> None:
    queues = [manifest for manifest in rendered(values) if manifest["kind"] == "JobQueue"]
    assert {queue["metadata"]["name"] for queue in queues} == {
        "analysis", "refactoring", "test-generation", "webhooks", "cleanup",
    }  # fmt: skip
    for queue in queues:
        assert QueueSpec.read(queue["spec"]).default_resource_class in queue["spec"]["resourceClasses"]


ADR_006 = {  # queue: concurrency, SLA, attempts, backoff, delay, timeout, default priority
    "analysis": (10, 300, 3, "exponential", 2, 900, 1),
    "refactoring": (5, 600, 2, "fixed", 5, 1800, 1),
    "test-generation": (5, 600, 2, "fixed", 5, 1800, 5),
    "webhooks": (50, 5, 5, "exponential", 1, 30, 1),
    "cleanup": (2, None, 1, "none", 0, 3600, 10),
}


@pytest.mark.parametrize("name", ADR_006)
def test_the_queues_have_the_numbers_of_the_adr(name: str) -> None:
    queue = QueueSpec.read(only(rendered(), "JobQueue", name)["spec"])
    backoff = queue.retry.backoff
    assert (
        queue.concurrency, queue.sla.limit if queue.sla else None, queue.retry.attempts, backoff.type, backoff.delay,
        queue.timeout, queue.default_priority,
    ) == ADR_006[name]  # fmt: skip
    assert (queue.retention.completed.age, queue.retention.completed.count) == (24 * 3600, 1000)
    assert (queue.retention.failed.age, queue.retention.failed.count) == (7 * 24 * 3600, 5000)


def test_webhooks_are_repeated_after_1_2_4_and_8_seconds() -> None:
    backoff = QueueSpec.read(only(rendered(), "JobQueue", "webhooks")["spec"]).retry.backoff.policy()
    assert [backoff.pause_after(failed) for failed in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert backoff.max_delay == 16


def test_at_most_100_analyses_start_in_a_minute() -> None:
    limit = QueueSpec.read(only(rendered(), "JobQueue", "analysis")["spec"]).rate_limit
    assert limit is not None
    assert (limit.max, limit.per) == (100, 60)


def test_the_large_values_hold_ten_thousand_analyses_at_once() -> None:
    large = rendered("values-large.yaml")
    queue = QueueSpec.read(only(large, "JobQueue", "analysis")["spec"])
    assert queue.concurrency == 10_000
    assert queue.rate_limit is not None
    assert queue.rate_limit.max * parse_duration("5m") / queue.rate_limit.per >= 10_000
    assert int(only(large, "ResourceQuota", "forge-jobs", "tenant-demo")["spec"]["hard"]["pods"]) >= 10_000


def test_only_queues_whose_kind_is_built_are_open() -> None:
    queues = [manifest for manifest in rendered() if manifest["kind"] == "JobQueue"]
    assert [queue["metadata"]["name"] for queue in queues if not queue["spec"]["paused"]] == [
        "analysis",
        "cleanup",
        "refactoring",
        "webhooks",
    ]
    for queue in queues:
        described = queue["metadata"]["annotations"]["forge-factory.dev/description"]
        assert queue["spec"]["paused"] == ("Paused" in described)


def test_a_queue_without_an_image_is_paused_and_says_why() -> None:
    queue = only(rendered(images__runners__analysis="null"), "JobQueue", "analysis")
    assert queue["spec"]["paused"] is True
    assert "images.runners.analysis" in queue["metadata"]["annotations"]["forge-factory.dev/paused-because"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_keeps_to_pod_security_restricted(variant: str) -> None:
    for name, spec in pod_specs(rendered(**VARIANTS[variant])):
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is (name in NEEDS_KUBERNETES), name
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert "memory" in container["resources"]["limits"], name


NEEDS_KUBERNETES = {
    "Deployment/forge-operator", "Deployment/forge-api", "Job/forge-crds", "CronJob/forge-clean-up",
    "CronJob/forge-usage", "CronJob/forge-purge", "CronJob/forge-old-clones", "StatefulSet/forge-clones",
}  # fmt: skip


def test_no_role_may_do_everything_or_read_all_secrets() -> None:
    for manifest in rendered():
        for rule in manifest.get("rules", []) if manifest["kind"] in {"Role", "ClusterRole"} else []:
            said = f"{manifest['kind']}/{manifest['metadata']['name']}: {rule}"
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], said
            if "secrets" in rule["resources"]:
                assert manifest["kind"] == "Role", said
                assert {"list", "watch", "update", "deletecollection"}.isdisjoint(rule["verbs"]), said
                if "get" in rule["verbs"]:
                    assert rule["resourceNames"] == [names.REDIS_SECRET], said
                    assert rule["verbs"] == ["get"], said


@pytest.mark.parametrize("values", VALUES)
def test_the_api_writes_secrets_in_tenants_namespaces_alone_and_only_those_of_endpoints(values: str) -> None:
    manifests = rendered(values)
    writing = [
        (manifest["metadata"]["namespace"], rule["verbs"])
        for manifest in manifests
        if manifest["kind"] == "Role"
        for rule in manifest["rules"]
        if "secrets" in rule["resources"] and rule["verbs"] != ["get"]
    ]
    tenants = {
        manifest["metadata"]["name"]
        for manifest in manifests
        if manifest["kind"] == "Namespace" and names.TENANT_LABEL in manifest["metadata"].get("labels", {})
    }
    assert {namespace for namespace, _ in writing} == tenants
    assert all(verbs == ["create", "patch", "delete"] for _, verbs in writing)
    policy = only(manifests, "ValidatingAdmissionPolicy", "forge-jobs-api-secrets")["spec"]
    assert policy["failurePolicy"] == "Fail"
    (rule,) = policy["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == (["secrets"], ["CREATE", "UPDATE", "DELETE"])
    assert "system:serviceaccount:forge-jobs:forge-api'" in policy["matchConditions"][0]["expression"]
    prefix = names.webhook_secret("")
    assert f"metadata.name.startsWith('{prefix}')" in policy["validations"][0]["expression"]


def verbs(manifests: list[Manifest], role: str, resource: str) -> set[str]:
    rules = only(manifests, "ClusterRole", role)["rules"]
    return {verb for rule in rules if resource in rule["resources"] for verb in rule["verbs"]}


def test_the_operator_writes_status_retires_and_never_makes_or_changes_a_jobs_spec() -> None:
    role = "forge-jobs:operator"
    assert verbs(rendered(), role, names.ANALYSIS_JOBS) == {"get", "list", "watch", "delete"}
    assert verbs(rendered(), role, "analysisjobs/status") == {"patch"}
    assert verbs(rendered(), role, "jobs") == {"get", "list", "watch", "create", "patch", "delete"}


def test_the_api_writes_no_status_and_makes_no_pods() -> None:
    role = "forge-jobs:api"
    assert verbs(rendered(), role, names.ANALYSIS_JOBS) == {"get", "list", "create", "patch"}
    assert verbs(rendered(), role, "analysisjobs/status") == set()
    assert verbs(rendered(), role, "pods") == {"get"}
    assert verbs(rendered(), role, "jobs") == {"get"}


def test_nothing_is_granted_to_the_runners_account() -> None:
    for manifest in rendered():
        for subject in manifest.get("subjects", []):
            assert subject["name"] != names.RUNNER_SERVICE_ACCOUNT


def test_a_tenant_has_a_namespace_with_all_that_holds_for_it() -> None:
    manifests = rendered()
    namespace = only(manifests, "Namespace", "tenant-demo")
    assert namespace["metadata"]["labels"][names.TENANT_LABEL] == "demo"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert only(manifests, "ServiceAccount", names.RUNNER_SERVICE_ACCOUNT, "tenant-demo")
    assert only(manifests, "ResourceQuota", "forge-jobs", "tenant-demo")
    secret = only(manifests, "Secret", names.REDIS_SECRET, "tenant-demo")["stringData"]
    assert secret["username"] == names.redis_user("demo")
    assert len(secret["password"]) == 32
    policy = only(manifests, "NetworkPolicy", "forge-jobs", "tenant-demo")["spec"]
    assert policy["podSelector"] == {}
    assert policy["ingress"] == []
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}


def test_each_tenant_has_a_redis_password_of_its_own() -> None:
    two = json.dumps({"a": {"namespace": "team-a"}, "b": {"namespace": "team-b"}})
    secrets = [
        m for m in rendered(tenants=two) if m["metadata"]["name"] == names.REDIS_SECRET and m["kind"] == "Secret"
    ]
    assert len({secret["stringData"]["password"] for secret in secrets}) == 3, "the system tenant's too"


def test_a_tenants_own_values_go_before_the_defaults() -> None:
    quota = json.dumps({"a": {"namespace": "team-a", "quota": {"pods": 7}}})
    hard = only(rendered(tenants=quota), "ResourceQuota", "forge-jobs", "team-a")["spec"]["hard"]
    assert hard["pods"] == "7"
    assert hard["requests.cpu"] == "100"


def test_a_tenants_weight_and_cap_are_annotations_of_its_namespace() -> None:
    tenants = json.dumps({"a": {"namespace": "team-a", "weight": 3, "maxRunning": 0}, "b": {"namespace": "team-b"}})
    manifests = rendered(tenants=tenants)
    annotations = only(manifests, "Namespace", "team-a")["metadata"]["annotations"]
    assert (annotations[names.WEIGHT_ANNOTATION], annotations[names.MAX_RUNNING_ANNOTATION]) == ("3", "0")
    annotations = only(manifests, "Namespace", "team-b")["metadata"]["annotations"]
    assert annotations[names.WEIGHT_ANNOTATION] == "1"
    assert names.MAX_RUNNING_ANNOTATION not in annotations


def test_the_default_cap_holds_for_tenants_that_the_chart_does_not_know_too() -> None:
    manifests = rendered(tenantDefaults__maxRunning="1000000")
    assert (
        only(manifests, "Namespace", "tenant-demo")["metadata"]["annotations"][names.MAX_RUNNING_ANNOTATION]
        == "1000000"
    )
    [operator] = only(manifests, "Deployment", "forge-operator")["spec"]["template"]["spec"]["containers"]
    assert {"name": "FORGE_TENANT_MAX_RUNNING", "value": "1000000"} in operator["env"]


def test_runners_reach_public_hosts_and_no_private_address() -> None:
    policy = only(rendered(), "NetworkPolicy", "forge-jobs", "tenant-demo")["spec"]
    blocks = [to["ipBlock"] for rule in policy["egress"] for to in rule.get("to", []) if "ipBlock" in to]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    refused = {cidr for block in blocks for cidr in block["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= refused


def test_every_component_has_a_network_policy() -> None:
    manifests = rendered()
    selected = [
        m["spec"]["podSelector"]["matchLabels"]
        for m in manifests
        if m["kind"] == "NetworkPolicy" and m["spec"]["podSelector"]
    ]
    for name in ("forge-operator", "forge-api", "forge-postgres", "forge-redis"):
        kind = "Deployment" if name in {"forge-operator", "forge-api"} else "StatefulSet"
        labels = only(manifests, kind, name)["spec"]["template"]["metadata"]["labels"]
        assert any(wanted.items() <= labels.items() for wanted in selected), name


def env(container: Manifest) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container["env"]}


def test_the_operator_is_told_what_its_settings_ask_for() -> None:
    manifests = rendered("values-local.yaml")
    given = env(only(manifests, "Deployment", "forge-operator")["spec"]["template"]["spec"]["containers"][0])
    assert given[names.API_URL_ENV] == "http://forge-api-internal.forge-jobs.svc:8081"
    assert given[names.REDIS_URL_ENV] == "redis://forge-redis.forge-jobs.svc:6379"
    assert given["FORGE_ALLOWED_HOSTS"] == "git-server.git.svc"
    assert given["FORGE_MANAGED_REDIS"] == "false"
    assert given["FORGE_EVENTS_LENGTH"] == "10000"
    assert {names.DATABASE_URL_ENV, names.REDIS_USERNAME_ENV, names.REDIS_PASSWORD_ENV, "FORGE_NAMESPACE"} <= set(given)


def test_the_api_and_the_operator_share_a_token_and_a_way() -> None:
    manifests = rendered()
    token = only(manifests, "Secret", "forge-operator-token")["stringData"]["token"]
    assert len(token) == 32
    for name in ("forge-api", "forge-operator"):
        [container] = only(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        [given] = [one for one in container["env"] if one["name"] == "FORGE_OPERATOR_TOKEN"]
        assert given["valueFrom"] == {"secretKeyRef": {"name": "forge-operator-token", "key": "token"}}
    api = env(only(manifests, "Deployment", "forge-api")["spec"]["template"]["spec"]["containers"][0])
    assert api["FORGE_OPERATOR_URL"] == "http://forge-operator.forge-jobs.svc:8080"
    labels = only(manifests, "Deployment", "forge-api")["spec"]["template"]["metadata"]["labels"]
    [rule] = only(manifests, "NetworkPolicy", "forge-operator")["spec"]["ingress"]
    assert labels in [peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer]
    ways = only(manifests, "NetworkPolicy", "forge-api")["spec"]["egress"]
    assert any({"protocol": "TCP", "port": 8080} in way["ports"] for way in ways)


def alerts_of(**alerts: Any) -> dict[str, Manifest]:
    """What the operator is told of alerts, by variable."""
    spec = only(rendered(alerts=json.dumps(alerts)), "Deployment", "forge-operator")["spec"]["template"]["spec"]
    return {item["name"]: item for item in spec["containers"][0]["env"] if item["name"].startswith("FORGE_ALERTS")}


def test_the_key_of_the_alert_sink_comes_from_its_secret_alone() -> None:
    given = alerts_of(sink="datadog", existingSecret="datadog")
    key = given["FORGE_ALERTS_API_KEY"]["valueFrom"]["secretKeyRef"]
    assert key == {"name": "datadog", "key": "api-key", "optional": False}
    assert given["FORGE_ALERTS_URL"]["valueFrom"]["secretKeyRef"]["optional"] is True
    assert given["FORGE_ALERTS_ALLOW_HTTP"]["value"] == "false"


def test_a_receivers_url_is_a_value_or_a_secret() -> None:
    url = "https://alerts.example.com/hook"
    assert alerts_of(sink="webhook", url=url)["FORGE_ALERTS_URL"]["value"] == url
    assert "FORGE_ALERTS_API_KEY" not in alerts_of(sink="webhook", url=url)
    secret = alerts_of(sink="webhook", existingSecret="hook")
    assert secret["FORGE_ALERTS_URL"]["valueFrom"]["secretKeyRef"]["key"] == "url"
    assert secret["FORGE_ALERTS_API_KEY"]["valueFrom"]["secretKeyRef"]["optional"] is True


def test_alerts_go_to_the_log_unless_a_sink_is_chosen() -> None:
    assert set(alerts_of()) == {"FORGE_ALERTS_SINK"}
    assert alerts_of()["FORGE_ALERTS_SINK"]["value"] == "log"


def test_the_operator_reaches_the_alert_sink_only_when_there_is_one() -> None:
    def ports(**alerts: Any) -> list[Any]:
        policy = only(rendered(alerts=json.dumps(alerts)), "NetworkPolicy", "forge-operator")["spec"]
        return [port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]]

    assert 8443 not in ports(ports=[8443])
    assert 8443 in ports(sink="webhook", url="https://a.example:8443/", ports=[8443])


def test_no_password_is_written_into_a_pod_or_a_config_map() -> None:
    manifests = rendered()
    secrets = [v for m in manifests if m["kind"] == "Secret" for v in m.get("stringData", {}).values() if len(v) == 32]
    assert len(secrets) >= 4
    open_text = json.dumps([m for m in manifests if m["kind"] != "Secret"])
    assert not [password for password in secrets if password in open_text]


def test_the_api_is_given_the_certificate_and_never_the_key() -> None:
    manifests = rendered()
    volumes = only(manifests, "Deployment", "forge-api")["spec"]["template"]["spec"]["volumes"]
    sources = next(volume for volume in volumes if volume["name"] == "keys")["projected"]["sources"]
    assert sources[0]["secret"]["items"] == [{"key": "tls.crt", "path": "local.pem"}]


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


def test_a_change_of_keys_restarts_the_api() -> None:
    def checksum(**settings: str) -> str:
        template = only(rendered(**settings), "Deployment", "forge-api")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    key = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"
    assert checksum() == checksum()
    assert checksum() != checksum(auth__keys=json.dumps({"a": key}))


def test_a_single_api_replica_has_no_disruption_budget_that_would_block_a_drain() -> None:
    kinds = {manifest["kind"] for manifest in rendered("values-local.yaml")}
    assert "PodDisruptionBudget" not in kinds
    assert only(rendered(), "PodDisruptionBudget", "forge-api")


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


def test_every_name_of_the_project_is_free_of_this_machines_paths() -> None:
    for file in CHART.rglob("*"):
        if file.is_file():
            assert not re.search(r"/work/|/tmp/[a-z]|localhost:\d", file.read_text()), file

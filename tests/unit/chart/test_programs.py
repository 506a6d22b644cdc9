"""What the API and the operator are told, and how they run."""

import json
from typing import Any

from forge_core import names
from tests.builders.chart import Manifest, only, rendered


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


def test_the_api_reaches_an_identity_provider_only_when_there_is_one() -> None:
    def ports(**auth: Any) -> list[Any]:
        policy = only(rendered(auth=json.dumps(auth)), "NetworkPolicy", "forge-api")["spec"]
        return [port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]]

    assert 8443 not in ports(jwksPorts=[8443])
    assert 8443 in ports(jwksUrl="https://id.example:8443/jwks.json", jwksPorts=[8443])


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

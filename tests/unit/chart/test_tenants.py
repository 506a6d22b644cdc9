"""What each tenant is given: a namespace with all that holds for it."""

import json

from forge_core import names
from tests.builders.chart import only, rendered


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

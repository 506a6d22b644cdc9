"""What pods may do and reach, what roles allow, and where secrets are."""

import json

import pytest

from forge_core import names
from tests.builders.chart import VALUES, VARIANTS, Manifest, only, pod_specs, rendered


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

"""The chart as Helm renders it, for tests that look at manifests."""

import functools
import json
import subprocess
from typing import Any, Final

import yaml

from tests.conftest import LOCAL, ROOT

CHART: Final = ROOT / "helm" / "forge-jobs"
VALUES: Final = ("values.yaml", "values-local.yaml", "values-large.yaml")
Manifest = dict[str, Any]
TENANT: Final = json.dumps({"demo": {"namespace": "tenant-demo"}})
VARIANTS: Final[dict[str, dict[str, str]]] = {
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
"""Values that change what is rendered: each variant by itself is to be valid and safe."""


def helm(*arguments: str, check: bool = True, seconds: int = 120) -> subprocess.CompletedProcess[str]:
    """One call of helm. Raises AssertionError with what it said when it fails and `check` is true."""
    program = LOCAL / "bin" / "helm"
    command = [str(program) if program.exists() else "helm", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0 or not check, f"helm {' '.join(arguments)}: {done.stderr.strip()}"
    return done


@functools.cache
def render(values: str = "values.yaml", **settings: str) -> list[Manifest]:
    """Every manifest of release `forge-jobs`, hooks and tests too. `a__b="1"` sets `a.b`, to any JSON."""
    sets = [f"--set-json={key.replace('__', '.')}={value}" for key, value in settings.items()]
    done = helm("template", "forge-jobs", str(CHART), "-n", "forge-jobs", f"--values={CHART / values}", *sets)
    return [
        manifest for manifest in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if manifest
    ]  # ten times as fast


def rendered(values: str = "values.yaml", **settings: str) -> list[Manifest]:
    """`render` with a tenant, unless `tenants` is given."""
    return render(values, **({"tenants": TENANT} | settings))


def refusal(**settings: Any) -> str:
    """What Helm says to values that it refuses."""
    sets = [f"--set-json={key.replace('__', '.')}={json.dumps(value)}" for key, value in settings.items()]
    done = helm("template", "forge-jobs", str(CHART), "-n", "forge-jobs", *sets, check=False)
    assert done.returncode != 0, "these values were taken"
    return done.stderr


def only(manifests: list[Manifest], kind: str, name: str, namespace: str | None = None) -> Manifest:
    """The one manifest of that kind and name."""
    found = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind
        and manifest["metadata"]["name"] == name
        and (namespace is None or manifest["metadata"].get("namespace") == namespace)
    ]
    assert len(found) == 1, f"{len(found)} of {kind}/{name}"
    return found[0]


def pod_specs(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    """(name, spec) of every pod that the manifests would make."""
    found = []
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] == "Pod":
            found.append((name, manifest["spec"]))
        elif manifest["kind"] in {"Deployment", "StatefulSet", "Job"}:
            found.append((name, manifest["spec"]["template"]["spec"]))
        elif manifest["kind"] == "CronJob":
            found.append((name, manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]))
    return found

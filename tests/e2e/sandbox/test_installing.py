"""What a repository needs is installed in a pod's sandbox: from the index that the queue names, in the cluster."""

import base64
from collections.abc import Callable, Iterator

import pytest

from forge_core.cluster import core, job_queues
from forge_core.phase import Phase
from tests.builders.package_index import WHEEL, wheel
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import Forge, Jobs

pytestmark = pytest.mark.cluster
NAMESPACE, NAME = "git", "package-index"
"""Runners may go out to that namespace already."""
URL = f"http://{NAME}.{NAMESPACE}.svc/simple"
NEEDING = "import needed\n\n\ndef over(number: int) -> str:\n    return 'over' if number > needed.VALUE else 'under'\n"
SECONDS = 420


@pytest.fixture(scope="module")
def index(kubectl: Kubectl) -> Iterator[str]:
    """The URL of an index in the cluster with the package `needed`, and nothing else."""
    image = (LOCAL / "git-server-image").read_text().strip()
    metadata = {"name": NAME, "namespace": NAMESPACE}
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    server = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": {"app": NAME}},
        "spec": {
            "automountServiceAccountToken": False,
            "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
            "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "index", "image": image,
                "command": ["python", "-m", "http.server", "8080", "--directory", "/index"],
                "readinessProbe": {"httpGet": {"path": "/simple/needed/", "port": 8080}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
                },
                "volumeMounts": [{"name": "files", "mountPath": f"/index/simple/needed/{WHEEL}", "subPath": WHEEL}],
            }],
            "volumes": [{"name": "files", "configMap": {"name": NAME}}],
        },
    }  # fmt: skip
    kubectl.server.apply({**files, "binaryData": {WHEEL: base64.b64encode(wheel()).decode()}}, service, server)
    kubectl.run("-n", NAMESPACE, "wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=120s")
    yield URL
    places = (core(kind, NAMESPACE, NAME) for kind in ("pods", "services", "configmaps"))
    kubectl.server.delete(*places)


@pytest.fixture
def ask(forge: Forge, jobs: Jobs, serve: Callable[..., str]) -> Callable[[str, str], str]:
    """`ask(requirement, index)`: the name of a generation that wants it installed, in a queue with that index."""

    def asked(requirement: str, index: str) -> str:
        sandbox = forge.kubectl.server.get(job_queues("test-generation"))["spec"]["sandbox"]
        packages = {"packages": {"index": index}} if index else {}
        queue = jobs.queue("test-generation", sandbox={**sandbox, **packages})
        url = serve({"limits.py": NEEDING, "requirements.txt": f"{requirement}\n"})
        return jobs.submit(url, queue, config={"install": ["requirements.txt"], "budget": "5m"})

    return asked


def test_tests_are_generated_for_what_needs_a_package_of_the_index(
    forge: Forge, ask: Callable[[str, str], str], index: str
) -> None:
    job = forge.wait_for(ask("needed==1.0", index), Phase.COMPLETED, seconds=SECONDS)
    with forge.api() as api:
        place = f"/jobs/{job['metadata']['uid']}"
        summary = api.get(f"{place}/results").json()["summary"]
        patch = api.get(f"{place}/artifacts/tests.patch").text
    assert summary["coverage"]["before"]["lines"]["percent"] == 0.0
    assert summary["coverage"]["after"]["lines"]["percent"] == 100.0
    assert "over(" in patch


@pytest.mark.parametrize(("requirement", "indexed"), [("needed==1.0", False), ("needed==2.0", True), ("other", True)])
def test_what_may_not_be_installed_or_is_not_there_is_said_once(
    forge: Forge, ask: Callable[[str, str], str], index: str, requirement: str, indexed: bool
) -> None:
    job = forge.wait_for(ask(requirement, index if indexed else ""), Phase.FAILED, seconds=SECONDS)
    assert job["status"]["attempts"] == 1
    assert "config.install" in job["status"]["message"]
    assert (requirement if indexed else "spec.sandbox.packages") in job["status"]["message"]

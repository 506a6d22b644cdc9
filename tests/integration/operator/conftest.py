"""An operator of the test's own on the real cluster, with real PostgreSQL and Redis beside it."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_core.cluster import core, job_queues
from forge_core.names import API_VERSION, INSTALLATION_LABEL, TENANT_LABEL
from tests.conftest import Kubectl
from tests.services.operator import OperatorProcess, healthy_api, operator_process


@pytest.fixture
def tenant_namespace(kubectl: Kubectl, namespace: str) -> str:
    """A tenant of an installation of its own, both named as the namespace."""
    labels = {TENANT_LABEL: namespace, INSTALLATION_LABEL: namespace}
    kubectl.server.namespace(namespace, labels)
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "forge-runner", "namespace": namespace},
    }
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forge-redis", "namespace": namespace},
        "stringData": {"username": f"tenant-{namespace}", "password": "for-this-test"},
    }  # fmt: skip
    kubectl.server.apply(account, secret)
    return namespace


@pytest.fixture
def queue(kubectl: Kubectl) -> Iterator[str]:
    """A queue of two whose runner is a program that runs until it is told to stop: Debian's Redis server."""
    images = [name for node in kubectl.server.items(core("nodes")) for image in node["status"].get("images", ())
              for name in image["names"]]  # fmt: skip
    image = next(name for name in images if "/redis:" in name)
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl.server.apply({
        "apiVersion": API_VERSION, "kind": "JobQueue", "metadata": {"name": name},
        "spec": {
            "jobType": "analysis", "concurrency": 2, "timeout": "10m", "image": image,
            "retry": {"attempts": 2, "backoff": {"type": "fixed", "delay": "1s"}},
            "resourceClasses": {"small": {"requests": {"cpu": "10m", "memory": "32Mi"}}},
            "defaultResourceClass": "small",
        },
    })  # fmt: skip
    yield name
    kubectl.server.delete(job_queues(name), wait=False)


@pytest.fixture
def operator(
    kubeconfig: Path, tenant_namespace: str, history_url: str, redis_url: str, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """The program, not yet started."""
    with healthy_api() as api_url:
        environment = {
            "KUBECONFIG": str(kubeconfig), "FORGE_DATABASE_URL": history_url, "FORGE_REDIS_URL": redis_url,
            "FORGE_API_URL": api_url, "FORGE_NAMESPACE": tenant_namespace, "FORGE_INSTALLATION": tenant_namespace,
            "FORGE_POD_NAME": "first", "FORGE_RELIST_SECONDS": "20",
        }  # fmt: skip
        with operator_process(environment, tmp_path / "operator.log") as process:
            yield process


def analysis_job(namespace: str, name: str, queue: str, **spec: Any) -> dict[str, Any]:
    """A manifest as a person would apply it."""
    return {
        "apiVersion": API_VERSION, "kind": "AnalysisJob", "metadata": {"name": name, "namespace": namespace},
        "spec": {"queue": queue, "repository": {"url": "https://git.example/r.git"}, **spec},
    }  # fmt: skip

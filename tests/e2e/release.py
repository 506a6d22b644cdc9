"""A second installation of this clone's chart: with a name, a tenant and services of its own, beside the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from forge_core.cluster import core
from tests.builders.chart import CHART, helm
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import Forge, installed

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
LOCAL_VALUES = yaml.safe_load((CHART / "values-local.yaml").read_text())


@dataclass(frozen=True)
class Place:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Release:
    """`name` is that of the installation; its release, namespace and only tenant are named after it."""

    kubectl: Kubectl
    name: str
    values: Path

    @property
    def namespace(self) -> str:
        """Where its programs are."""
        return f"forge-{self.name}"

    @property
    def tenant_namespace(self) -> str:
        """Its only tenant's."""
        return f"tenant-{self.name}"

    def upgrade(self, chart: Path = CHART, *more: str) -> None:
        """Install or upgrade it and wait until it is ready."""
        self.helm(
            "upgrade", str(chart), "--install", "--create-namespace", f"--values={LOCAL / 'images.yaml'}",
            f"--values={self.values}", "--wait", "--timeout=8m", *more,
        )  # fmt: skip

    def helm(self, verb: str, *arguments: str) -> str:
        """Another of helm's verbs."""
        return helm(verb, self.namespace, *arguments, *self._place(), seconds=500).stdout

    def hooks(self) -> str:
        """The manifests of all hooks of the last install or upgrade."""
        return helm("get", "hooks", self.namespace, *self._place()).stdout

    def _place(self) -> tuple[str, ...]:
        return (f"--kubeconfig={self.kubectl.kubeconfig}", "-n", self.namespace)

    def secrets(self) -> dict[str, Any]:
        """All that was generated, by namespace and name."""
        found = {}
        for namespace in (self.namespace, self.tenant_namespace):
            for secret in self.kubectl.server.items(core("secrets", namespace)):
                if not secret["type"].startswith("helm.sh/"):
                    found[f"{namespace}/{secret['metadata']['name']}"] = secret["data"]
        return found

    def exposed(self, service: str, port: int) -> Place:
        """A Service of it at an address that this machine and its tenant's pods can reach: a port of the nodes."""
        server, name = self.kubectl.server, f"test-{service}"
        selector = server.get(core("services", self.namespace, service))["spec"]["selector"]
        spec = {"type": "NodePort", "selector": selector, "ports": [{"port": port, "targetPort": port}]}
        metadata = {"name": name, "namespace": self.namespace}
        server.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        node = next(each for each in server.items(core("nodes")) if CONTROL_PLANE in each["metadata"]["labels"])
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        exposed = server.get(core("services", self.namespace, name))
        place = Place(address, exposed["spec"]["ports"][0]["nodePort"])
        inside = {"podSelector": {"matchLabels": selector}, "ingress": [{"ports": [{"port": port}]}]}
        to_node = {"to": [{"ipBlock": {"cidr": f"{place.host}/32"}}], "ports": [{"port": place.port}]}
        server.apply(
            policy(name, self.namespace, inside),
            policy(name, self.tenant_namespace, {"podSelector": {}, "policyTypes": ["Egress"], "egress": [to_node]}),
        )
        return place

    def forge(self) -> Forge:
        """What a test does with it, once its programs are ready."""
        url = f"http://{self.exposed('forge-api', 8080)}"
        return installed(self.kubectl, url, release=self.namespace, tenant=self.name)

    def names(self, kind: str) -> set[str]:
        """Names of the cluster-wide objects of a kind that are this release's."""
        ours = f"app.kubernetes.io/instance={self.namespace}"
        return set(self.kubectl.run("get", kind, "-l", ours, "-o", "name").stdout.split())

    def remove(self) -> None:
        """Uninstall it and delete what it keeps; nothing happens when it isn't there."""
        self.helm("uninstall", "--ignore-not-found", "--wait")
        namespaces = (self.namespace, self.tenant_namespace, f"forge-system-{self.name}")
        self.kubectl.server.delete(*(core("namespaces", name=name) for name in namespaces))


def policy(name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A NetworkPolicy, which lets through what it names beside what others do."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@contextmanager
def second_release(kubectl: Kubectl, name: str, folder: Path, **values: Any) -> Iterator[Release]:
    """Not yet installed, in a namespace held to `restricted`; nothing of it is there before the block, nor after it."""
    local = LOCAL_VALUES | {
        "installation": name,
        "installQueues": False,
        "tenants": {name: {"namespace": f"tenant-{name}"}},
        # No clean-up of its own in the middle of a test that counts its jobs.
        "schedules": {
            "jobs": {schedule: {"suspend": True} for schedule in ("clean-up", "usage", "purge", "old-clones")}
        },
        "api": LOCAL_VALUES["api"] | {"service": {"type": "ClusterIP"}},
    }
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(local | values))
    made = Release(kubectl, name, file)
    made.remove()
    kubectl.server.namespace(made.namespace, {"pod-security.kubernetes.io/enforce": "restricted"})
    try:
        yield made
    finally:
        made.remove()

"""Simulated nodes (KWOK) on this clone's cluster, and a tenant of the benchmark's own; all of it gone afterwards."""

import asyncio
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from bench.place import KUBECONFIG, PAUSE, RELEASE_NAMESPACE, ROOT, gone
from forge_core.cluster import Cluster, NotFound, Raw, core
from forge_core.names import REDIS_SECRET, RUNNER_SERVICE_ACCOUNT, TENANT_LABEL, redis_user

NODES: Final = 6
PODS_A_NODE: Final = 2000
TENANT: Final = "bench"
RUNTIME_CLASS: Final = "bench-simulated"
"""Gives pods the toleration of simulated nodes: a queue's resource class may name one, and needs no other change."""
TINY: Final = {"cpu": "10m", "memory": "16Mi"}
_FAKE: Final = {"kwok.x-k8s.io/node": "fake"}
_STAGES: Final = Path(__file__).with_name("kwok") / "stages.yaml"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_NODE_CLASS: Final = "/apis/node.k8s.io/v1/runtimeclasses"


def namespace_of(tenant: str) -> str:
    """The namespace of a benchmark's tenant."""
    return f"tenant-{tenant}"


NAMESPACE: Final = namespace_of(TENANT)


def tiny(number: int) -> dict[str, Any]:
    """Changes to a queue's spec: so many jobs at once on simulated nodes, all kept until the benchmark removes them."""
    size = {"requests": TINY, "limits": TINY, "runtimeClassName": RUNTIME_CLASS}
    kept = {"age": "24h", "count": 2 * number}
    return {
        "concurrency": number,
        "resourceClasses": {"tiny": size},
        "defaultResourceClass": "tiny",
        "retention": {"completed": kept, "failed": kept},
    }


@asynccontextmanager
async def simulated_nodes(cluster: Cluster) -> AsyncIterator[None]:
    """Run KWOK on this machine with NODES nodes."""
    program = ROOT / ".local/bin/kwok"
    if not program.exists():
        raise SystemExit("no kwok: `make kwok` builds it")
    with tempfile.TemporaryFile() as log:
        kwok = await asyncio.create_subprocess_exec(
            program, f"--kubeconfig={KUBECONFIG}", f"--config={_STAGES}", "--cidr=10.245.0.0/16",
            "--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",  # without leases a node is taken for lost every minute, its pods too
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await _remove_nodes(cluster)  # of a run that was killed
            await _make_nodes(cluster)
            async with asyncio.timeout(60):
                while not await _all_ready(cluster):
                    if kwok.returncode is not None:
                        log.seek(0)
                        raise RuntimeError(f"kwok ended: {log.read()[-2000:].decode(errors='replace')}")
                    await asyncio.sleep(PAUSE)
            yield
        finally:
            await _remove_nodes(cluster)
            with suppress(ProcessLookupError):
                kwok.send_signal(signal.SIGTERM)
            await kwok.wait()


def _node(number: int) -> Raw:
    size = {"cpu": "1000", "memory": "4Ti", "pods": str(PODS_A_NODE), "ephemeral-storage": "10Ti"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"simulated-{number}", "annotations": _FAKE, "labels": {"bench/simulated": "true"}},
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }


def _runtime_class() -> Raw:
    tolerations = [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}]
    scheduling = {"nodeSelector": {"bench/simulated": "true"}, "tolerations": tolerations}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": RUNTIME_CLASS},
        "handler": "simulated",
        "scheduling": scheduling,
    }


async def _make_nodes(cluster: Cluster) -> None:
    await cluster.create(_NODE_CLASS, _runtime_class())
    for number in range(NODES):
        await cluster.create(core("nodes"), _node(number))


async def _all_ready(cluster: Cluster) -> bool:
    nodes = (await cluster.get(core("nodes"), labelSelector="bench/simulated"))["items"]
    conditions = [each for node in nodes for each in node["status"].get("conditions", []) if each["type"] == "Ready"]
    return len([each for each in conditions if each["status"] == "True"]) == NODES


async def _remove_nodes(cluster: Cluster) -> None:
    for path in (f"{_NODE_CLASS}/{RUNTIME_CLASS}", *(core("nodes", None, f"simulated-{n}") for n in range(NODES))):
        with suppress(NotFound):
            await cluster.delete(path)


@asynccontextmanager
async def own_tenant(cluster: Cluster, tenant: str = TENANT, seconds: float = 300.0) -> AsyncIterator[str]:
    """A tenant as the chart makes it, but without a quota; yields its Redis password. Its jobs go with it."""
    password = secrets.token_hex(16)
    await _drop_tenant(cluster, tenant, seconds)
    try:
        for path, body in _tenant(tenant, password):
            await cluster.create(path, body)
        yield password
    finally:
        await _drop_tenant(cluster, tenant, seconds)


def _tenant(tenant: str, password: str) -> list[tuple[str, Raw]]:
    def named(kind: str, name: str, version: str = "v1") -> Raw:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}

    name = namespace_of(tenant)
    rbac, role = "rbac.authorization.k8s.io/v1", "forge-operator"
    namespace = named("Namespace", name)
    namespace["metadata"]["labels"] = {TENANT_LABEL: tenant, "pod-security.kubernetes.io/enforce": "restricted"}
    reading = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [REDIS_SECRET], "verbs": ["get"]}
    subject = {"kind": "ServiceAccount", "name": role, "namespace": RELEASE_NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
    return [
        (core("namespaces"), namespace),
        (core("serviceaccounts", name), named("ServiceAccount", RUNNER_SERVICE_ACCOUNT)),
        (
            core("secrets", name),
            named("Secret", REDIS_SECRET) | {"stringData": {"username": redis_user(tenant), "password": password}},
        ),
        (f"{_RBAC}/namespaces/{name}/roles", named("Role", role, rbac) | {"rules": [reading]}),
        (
            f"{_RBAC}/namespaces/{name}/rolebindings",
            named("RoleBinding", role, rbac) | {"roleRef": reference, "subjects": [subject]},
        ),
    ]


async def _drop_tenant(cluster: Cluster, tenant: str, seconds: float) -> None:
    name = namespace_of(tenant)
    with suppress(NotFound):
        await cluster.delete(core("namespaces", None, name))
    await gone(cluster, core("namespaces"), f"kubernetes.io/metadata.name={name}", seconds)

"""Network policies on the real cluster: who reaches what, connection by connection, and that the rest is silence."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from forge_core.cluster import core
from tests.conftest import Kubectl
from tests.e2e.forge import Forge
from tests.e2e.network.standing import PORT, Outcome, Place, listening

pytestmark = pytest.mark.cluster
METRICS_FROM = "monitoring"
"""The chart's value networkPolicy.metricsFrom."""
RUNNER = {"app.kubernetes.io/component": "runner"}


@dataclass(frozen=True)
class Standing:
    """The pods of a test and every address that is tried."""

    runner: Place
    """In a tenant's namespace, labelled as a runner."""
    stranger: Place
    """In a tenant's namespace, without that label."""
    foreign: Place
    """In a namespace that has nothing to do with Forge Jobs."""
    posing: Place
    """There as well, labelled as a runner."""
    scraper: Place
    """In a namespace that may read metrics, as the chart's values say."""
    at: dict[str, str]
    """Name of a thing: its `address:port`, the pod's own address, so that no name and no Service stands between."""

    def tried(self, place: Place, *names: str) -> dict[str, Outcome]:
        """What became of a connection to each of these things."""
        found = place.tries(*(self.at[name] for name in names))
        return {name: found[self.at[name]] for name in names}


def address(pod: dict[str, Any], port: int) -> str:
    return f"{pod['status']['podIP']}:{port}"


@pytest.fixture(scope="module")
def standing(forge: Forge, kubectl: Kubectl) -> Iterator[Standing]:
    """Five pods, gone after the last test, and those of their namespaces that weren't there."""
    server, mark = kubectl.server, uuid.uuid4().hex[:6]
    outside = f"outside-{mark}"
    new = [name for name in (outside, METRICS_FROM) if server.read(core("namespaces", name=name)) is None]
    where = {
        "runner": (forge.tenant_namespace, RUNNER),
        "stranger": (forge.tenant_namespace, {}),
        "foreign": (outside, {}),
        "posing": (outside, RUNNER),
        "scraper": (METRICS_FROM, {}),
    }
    places = {name: Place(kubectl, namespace, f"{name}-{mark}") for name, (namespace, _) in where.items()}
    pods = [core("pods", place.namespace, place.pod) for place in places.values()]
    try:
        for name in new:
            server.namespace(name)
        server.apply(*(listening(places[name].pod, namespace, labels) for name, (namespace, labels) in where.items()))
        for place in places.values():
            place.ready()
        at = {name: address(server.get(pod), PORT) for name, pod in zip(places, pods, strict=True)}
        yield Standing(**places, at=at | services(forge))
    finally:
        server.delete(*pods)
        server.delete(*(core("namespaces", name=name) for name in new), wait=False)


def services(forge: Forge) -> dict[str, str]:
    """What an installation listens on, what its cluster does, and the demo's git server.

    Every pod may reach the node that it is on: Kubernetes has policies not apply there. Ours are on the control plane,
    the standing ones on the worker.
    """
    server = forge.kubectl.server

    def one(namespace: str, selector: str) -> dict[str, Any]:
        alive: list[dict[str, Any]] = [
            pod for pod in server.items(core("pods", namespace), labelSelector=selector)
            if not pod["metadata"].get("deletionTimestamp") and pod["status"].get("podIP")
        ]  # fmt: skip
        return alive[0]

    ours = {
        part: one(forge.namespace, f"app.kubernetes.io/component={part}")
        for part in ("api", "operator", "redis", "postgres")
    }
    dns = one("kube-system", "k8s-app=kube-dns")
    apiserver = one("kube-system", "component=kube-apiserver")
    proxies = server.items(core("pods", "kube-system"), labelSelector="k8s-app=kube-proxy")
    [worker] = {proxy["status"]["hostIP"] for proxy in proxies} - {apiserver["status"]["hostIP"]}
    return {
        "API": address(ours["api"], 8080),
        "internal API": address(ours["api"], 8081),
        "operator": address(ours["operator"], 8080),
        "Redis": address(ours["redis"], 6379),
        "PostgreSQL": address(ours["postgres"], 5432),
        "git server": address(one("git", "app=git-server"), 8080),
        "DNS": address(dns, 53),
        "DNS metrics": address(dns, 9153),
        "API server": address(apiserver, 6443),
        "kubelet": address(apiserver, 10250),
        "worker's kubelet": f"{worker}:10250",
    }


PODS = {"redis": "forge-redis-0", "postgres": "forge-postgres-0"} | {
    part: f"deployment/forge-{part}" for part in ("api", "operator")
}


def test_a_runner_reaches_what_a_job_needs_and_nothing_else(standing: Standing) -> None:
    needed = ("internal API", "Redis", "git server", "DNS")
    others = ("API", "operator", "PostgreSQL", "DNS metrics", "API server", "kubelet", "stranger", "foreign", "scraper")
    assert standing.tried(standing.runner, *needed, *others) == (
        dict.fromkeys(needed, "open") | dict.fromkeys(others, "silent")
    )


def test_another_pod_of_a_tenant_reaches_none_of_ours(standing: Standing) -> None:
    ours = ("internal API", "Redis", "API", "operator", "PostgreSQL", "runner", "API server")
    assert standing.tried(standing.stranger, "git server", *ours) == {
        "git server": "open", **dict.fromkeys(ours, "silent")
    }  # fmt: skip


@pytest.mark.parametrize("who", ["foreign", "posing"])
def test_who_is_no_tenant_reaches_the_public_api_alone_whatever_its_labels(standing: Standing, who: str) -> None:
    shut = ("internal API", "Redis", "PostgreSQL", "operator", "runner", "stranger")
    assert standing.tried(getattr(standing, who), "API", "scraper", *shut) == {
        "API": "open", "scraper": "open", **dict.fromkeys(shut, "silent")
    }  # fmt: skip


def test_prometheus_reads_both_programs_and_nothing_else(standing: Standing) -> None:
    read, shut = ("internal API", "operator"), ("Redis", "PostgreSQL", "runner")
    assert standing.tried(standing.scraper, *read, *shut) == (
        dict.fromkeys(read, "open") | dict.fromkeys(shut, "silent")
    )


@pytest.mark.parametrize(
    ("part", "reached", "shut"),
    [
        (
            "api",
            ("PostgreSQL", "Redis", "operator", "API server"),
            ("git server", "runner", "foreign", "worker's kubelet"),
        ),
        (
            "operator",
            ("PostgreSQL", "Redis", "internal API", "API server"),
            ("API", "git server", "runner", "foreign", "worker's kubelet"),
        ),
        ("redis", (), ("PostgreSQL", "operator", "DNS", "foreign", "worker's kubelet")),
        ("postgres", (), ("Redis", "operator", "DNS", "foreign", "worker's kubelet")),
    ],
)
def test_each_part_of_ours_goes_out_only_where_it_has_to(
    standing: Standing, forge: Forge, part: str, reached: tuple[str, ...], shut: tuple[str, ...]
) -> None:
    assert standing.tried(Place(forge.kubectl, forge.namespace, PODS[part]), *reached, *shut) == (
        dict.fromkeys(reached, "open") | dict.fromkeys(shut, "silent")
    )

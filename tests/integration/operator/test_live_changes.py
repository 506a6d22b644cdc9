"""Limits, priorities and tenants' terms that are changed while jobs wait and run, on the real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from forge_core.cluster import analysis_jobs, core, job_queues, jobs
from forge_core.names import INSTALLATION_LABEL, MAX_RUNNING_ANNOTATION, TENANT_LABEL, WEIGHT_ANNOTATION
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def edit(kubectl: Kubectl, queue: str, **spec: Any) -> None:
    """As `kubectl edit jq` does; a job applied at once may be seen by the operator before it."""
    kubectl.server.patch(job_queues(queue), {"spec": spec})


def annotate(kubectl: Kubectl, namespace: str, annotations: dict[str, str | None]) -> None:
    """As `kubectl annotate ns` does; None takes one away."""
    kubectl.server.patch(core("namespaces", name=namespace), {"metadata": {"annotations": annotations}})


def message(kubectl: Kubectl, namespace: str, name: str) -> str:
    status = kubectl.server.read(analysis_jobs(namespace, name)).get("status", {})
    return str(status.get("message", ""))


def said(kubectl: Kubectl, namespace: str, name: str, words: str) -> None:
    wait_until(lambda: words in message(kubectl, namespace, name), 60, f"{name} reads {words!r}")


def started(kubectl: Kubectl, namespace: str) -> set[str]:
    """Names of the AnalysisJobs that were given a Job."""
    made = kubectl.server.items(jobs(namespace))
    return {job["metadata"]["ownerReferences"][0]["name"] for job in made}


def starts(kubectl: Kubectl, namespace: str, *names: str) -> None:
    wait_until(lambda: started(kubectl, namespace) == set(names), 60, f"{', '.join(names)} have started and no others")


def finish(kubectl: Kubectl, namespace: str, name: str) -> None:
    """Withdraw a job: the quickest way to free its slot."""
    kubectl.server.patch(analysis_jobs(namespace, name), {"spec": {"cancel": True}})


def test_a_queues_concurrency_is_raised_and_lowered_under_load(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("a", "b", "c", "d")))
    starts(kubectl, tenant_namespace, "a", "b")
    said(kubectl, tenant_namespace, "d", f"Waiting in queue {queue}: 2 of 2 running")
    edit(kubectl, queue, concurrency=3)
    starts(kubectl, tenant_namespace, "a", "b", "c")
    edit(kubectl, queue, concurrency=1)
    kubectl.server.apply(analysis_job(tenant_namespace, "e", queue))
    said(kubectl, tenant_namespace, "e", f"Waiting in queue {queue}: 3 running, 1 allowed")
    assert started(kubectl, tenant_namespace) == {"a", "b", "c"}, "nothing is killed"
    for name in ("a", "b"):
        finish(kubectl, tenant_namespace, name)
    starts(kubectl, tenant_namespace, "c")
    kubectl.server.apply(analysis_job(tenant_namespace, "f", queue))
    said(kubectl, tenant_namespace, "f", "1 of 1 running")
    finish(kubectl, tenant_namespace, "c")
    starts(kubectl, tenant_namespace, "d")


def test_pause_rate_classes_and_selector_are_changed_while_a_job_waits(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    edit(kubectl, queue, paused=True)
    operator.start()
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue, resourceClass="small"))
    said(kubectl, tenant_namespace, "one", "is paused")
    edit(kubectl, queue, paused=False, resourceClasses={"small": None, "other": {}}, defaultResourceClass="other")
    said(kubectl, tenant_namespace, "one", "has no resource class 'small'; it offers other")
    small = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    edit(kubectl, queue, resourceClasses={"small": small}, namespaceSelector={"matchLabels": {"tier": "gold"}})
    said(kubectl, tenant_namespace, "one", "doesn't serve namespace")
    edit(kubectl, queue, namespaceSelector=None, rateLimit={"max": 1, "per": "30m"})
    starts(kubectl, tenant_namespace, "one")
    kubectl.server.apply(analysis_job(tenant_namespace, "two", queue, resourceClass="small"))
    said(kubectl, tenant_namespace, "two", "it starts at most 1 in any 30m")
    edit(kubectl, queue, rateLimit=None)
    starts(kubectl, tenant_namespace, "one", "two")


def test_a_waiting_jobs_priority_is_changed_and_the_order_follows(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    edit(kubectl, queue, paused=True, concurrency=1)
    operator.start()
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue, priority=50) for name in ("a", "b", "c")))
    kubectl.server.patch(analysis_jobs(tenant_namespace, "c"), {"spec": {"priority": 1}})
    said(kubectl, tenant_namespace, "c", "is paused")
    edit(kubectl, queue, paused=False)
    starts(kubectl, tenant_namespace, "c")


@pytest.fixture
def second_tenant(kubectl: Kubectl, tenant_namespace: str) -> Iterator[str]:
    """Another tenant of the same installation."""
    name = f"{tenant_namespace}-2"
    labels = {TENANT_LABEL: name, INSTALLATION_LABEL: tenant_namespace}
    account: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount"}
    kubectl.server.namespace(name, labels)
    kubectl.server.apply({**account, "metadata": {"name": "forge-runner", "namespace": name}})
    yield name
    kubectl.server.delete(core("namespaces", name=name), wait=False)


def test_tenants_share_a_queue_by_their_weights_and_keep_to_their_caps(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, second_tenant: str, queue: str
) -> None:
    annotate(kubectl, tenant_namespace, {WEIGHT_ANNOTATION: "3"})
    edit(kubectl, queue, paused=True, concurrency=4)
    namespaces = (tenant_namespace, second_tenant)
    kubectl.server.apply(*(analysis_job(ns, f"job-{n}", queue) for ns in namespaces for n in range(4)))
    operator.start()
    edit(kubectl, queue, paused=False)
    wait_until(lambda: sum(len(started(kubectl, ns)) for ns in namespaces) == 4, 60, "all slots are taken")
    assert [len(started(kubectl, ns)) for ns in namespaces] == [3, 1]

    annotate(kubectl, second_tenant, {MAX_RUNNING_ANNOTATION: "2", WEIGHT_ANNOTATION: "many"})
    ignored = "annotation forge-factory.dev/weight is ignored: 'many'"
    wait_until(lambda: ignored in operator.log.read_text(), what="the tenant's terms are known before there is room")
    edit(kubectl, queue, concurrency=10)
    wait_until(lambda: [len(started(kubectl, ns)) for ns in namespaces] == [4, 2], 60, "the cap holds")
    waits = f"Waiting: tenant {second_tenant} runs 2 of the 2 jobs that it may, over all queues"
    said(kubectl, second_tenant, "job-3", waits)
    annotate(kubectl, second_tenant, {MAX_RUNNING_ANNOTATION: None})
    wait_until(lambda: len(started(kubectl, second_tenant)) == 4, 60, "without a cap they start")


def test_a_pod_that_no_node_has_room_for_is_explained_with_figures(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.start()
    edit(kubectl, queue, resourceClasses={"huge": {"requests": {"cpu": "500"}}})
    kubectl.server.apply(analysis_job(tenant_namespace, "one", queue, resourceClass="huge"))
    said(kubectl, tenant_namespace, "one", "Admitted; pod unschedulable: needs 500 CPU, at most ")
    assert "no node is that large: choose a smaller spec.resourceClass" in message(kubectl, tenant_namespace, "one")
    kubectl.server.delete(analysis_jobs(tenant_namespace, "one"))

"""The API against the real API server: submission and its refusals, tenants, and the chain from a pod's own token."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from forge_core.cluster import Cluster, analysis_jobs, core, job_queues
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    API_VERSION,
    ATTEMPTS_ANNOTATION,
    JOB_QUEUE_KIND,
    RUNNER_SERVICE_ACCOUNT,
    TENANT_LABEL,
    TOKEN_AUDIENCE,
    child_job_name,
)
from tests.builders.api import Api, Signer, make_settings, owned, running_api
from tests.conftest import Kubectl
from tests.services.ports import free_port
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]


class Place:
    """A tenant's namespace on the real cluster, and what tests put into it. Its pods are never scheduled."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl
        self.namespace = namespace
        self.tenant = f"t-{namespace}"
        kubectl.server.namespace(namespace, {TENANT_LABEL: self.tenant})
        for account in (RUNNER_SERVICE_ACCOUNT, "another"):
            self.create("ServiceAccount", account)

    def create(self, kind: str, name: str, **body: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace, **body.pop("metadata", {})}
        version = {ANALYSIS_JOB_KIND: API_VERSION, "Job": "batch/v1"}.get(kind, "v1")
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        made: dict[str, Any] = self.kubectl.server.create(manifest)
        return made

    def job(self, name: str = "sample") -> dict[str, Any]:
        """An AnalysisJob that waits for ever: its queue isn't there."""
        spec = {"queue": "nowhere", "repository": {"url": "https://git.example.com/a/b.git"}}
        return self.create(ANALYSIS_JOB_KIND, name, spec=spec)

    def pod(self, job: dict[str, Any], account: str = RUNNER_SERVICE_ACCOUNT, name: str = "") -> dict[str, Any]:
        """A pod of the AnalysisJob's Job, made by the Job controller."""
        name = name or child_job_name(job["metadata"]["name"], job["metadata"]["uid"])
        container = {"name": "runner", "image": "none.invalid/none"}
        template = {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "nodeSelector": {"no-such-node": "true"},
            "containers": [container],
        }
        metadata = {"annotations": {ATTEMPTS_ANNOTATION: "2"}, **owned(ANALYSIS_JOB_KIND, job)}
        self.create("Job", name, metadata=metadata, spec={"template": {"spec": template}})
        pods = wait_until(
            lambda: self.kubectl.server.items(core("pods", self.namespace), labelSelector=f"job-name={name}")
        )
        pod: dict[str, Any] = pods[0]
        return pod

    def token(self, pod: dict[str, Any], account: str = RUNNER_SERVICE_ACCOUNT, audience: str = TOKEN_AUDIENCE) -> str:
        """A token bound to the pod, as the kubelet would project it."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"]}
        return self.kubectl.server.token(self.namespace, account, audiences=[audience], boundObjectRef=bound)


@pytest.fixture
def place(kubectl: Kubectl, namespace: str) -> Place:
    return Place(kubectl, namespace)


@pytest.fixture
async def api(tmp_path: Path, signer: Signer, history_url: str, redis_url: str, kubeconfig: Path) -> AsyncIterator[Api]:
    settings = make_settings(tmp_path, signer, history_url, redis_url)
    async with Cluster.connect(str(kubeconfig)) as cluster, running_api(settings, cluster, signer) as api:
        yield api


async def claim(api: Api, token: str) -> httpx2.Response:
    async with api.runner(token) as client:
        return await client.post("/internal/v1/attempts", json={"number_in_pod": 1})


async def test_a_pods_own_token_leads_to_its_analysisjob(api: Api, place: Place) -> None:
    job = place.job()
    token = place.token(place.pod(job))
    assert (await claim(api, token)).json() == {"attempt": 1, "attempts": 2}
    async with api.runner(token) as client:
        outcome = {"status": "succeeded", "summary": {"grade": "A"}}
        assert (await client.put("/internal/v1/attempts/1/outcome", json=outcome)).status_code == 204
    uid = uuid.UUID(job["metadata"]["uid"])
    assert await api.services.records.summaries([uid]) == {uid: {"grade": "A"}}


async def test_other_tokens_of_the_cluster_are_refused(api: Api, place: Place) -> None:
    pod = place.pod(place.job("one"))
    other = place.pod(place.job("two"), account="another")
    unbound = place.kubectl.server.token(place.namespace, RUNNER_SERVICE_ACCOUNT, audiences=[TOKEN_AUDIENCE])
    kubernetes = place.token(pod, audience="https://kubernetes.default.svc.cluster.local")
    for what, status, token in (
        ("for the Kubernetes API", 401, kubernetes),
        ("not bound to a pod", 403, unbound),
        ("of another ServiceAccount", 403, place.token(other, account="another")),
        ("cut", 401, place.token(pod)[:-10]),
    ):
        assert (await claim(api, token)).status_code == status, what


async def test_the_token_of_a_pod_that_is_gone_is_refused(api: Api, place: Place) -> None:
    pod = place.pod(place.job())
    token = place.token(pod)
    name = pod["metadata"]["name"]
    place.kubectl.server.delete(core("pods", place.namespace, name), gracePeriodSeconds=0)
    assert (await claim(api, token)).status_code == 401


async def test_a_job_that_was_not_made_by_the_operator_is_refused(api: Api, place: Place) -> None:
    job = place.job()
    assert (await claim(api, place.token(place.pod(job, name="handmade")))).status_code == 403
    assert (await claim(api, place.token(place.create("Pod", "bare", spec=_bare())))).status_code == 403


def _bare() -> dict[str, Any]:
    return {
        "serviceAccountName": RUNNER_SERVICE_ACCOUNT,
        "nodeSelector": {"no-such-node": "true"},
        "containers": [{"name": "runner", "image": "none.invalid/none"}],
    }


async def test_a_submitted_analysis_is_an_analysisjob_and_its_cancellation_reaches_it(api: Api, place: Place) -> None:
    async with api.client(place.tenant, user="ada@example.com") as client:
        repository = {"url": "https://git.example.com/a/b.git", "ref": "v1", "credentialsSecret": "git"}
        repository_id = (await client.post("/repositories", json=repository)).json()["id"]
        body = {"repositoryId": repository_id, "config": {"languages": ["Python"]}}
        answer = await client.post("/analyses", json=body)
        assert answer.status_code == 201, answer.text
        job_id = answer.json()["id"]
        made = place.kubectl.server.get(analysis_jobs(place.namespace, job_id))
        assert made["spec"]["repository"] == {
            "url": repository["url"],
            "ref": "v1",
            "credentialsSecretRef": {"name": "git"},
        }
        assert (made["spec"]["requestedBy"], made["spec"]["priority"]) == ("ada@example.com", 1)
        job = await api.services.queries.job(place.tenant, uuid.UUID(job_id))
        assert job is not None
        assert str(job.uid) == made["metadata"]["uid"]
        assert (await client.delete(f"/analyses/{job_id}")).status_code in {200, 202}
        assert place.kubectl.server.get(analysis_jobs(place.namespace, job_id))["spec"]["cancel"] is True


@pytest.fixture
def queue(place: Place) -> Iterator[str]:
    """A JobQueue that serves the place's namespace alone, and starts nothing."""
    name = f"q-{place.namespace}"
    spec = {
        "jobType": "cleanup",
        "concurrency": 1,
        "paused": True,
        "timeout": "1m",
        "namespaceSelector": {"matchLabels": {TENANT_LABEL: place.tenant}},
    }
    manifest = {"apiVersion": API_VERSION, "kind": JOB_QUEUE_KIND, "metadata": {"name": name}, "spec": spec}
    place.kubectl.server.create(manifest)
    yield name
    place.kubectl.server.delete(job_queues(name))


async def test_a_job_is_taken_by_a_queue_that_serves_its_tenant_and_by_no_other(
    api: Api, place: Place, queue: str
) -> None:
    body = {"queue": queue, "config": {"task": "aggregate-usage"}}
    async with api.client(place.tenant) as client:
        answer = await client.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        made = place.kubectl.server.get(analysis_jobs(place.namespace, answer.json()["id"]))
        assert (made["spec"]["queue"], made["spec"]["config"]) == (queue, body["config"])
        assert (await client.post("/jobs", json={**body, "queue": f"{queue}-x"})).status_code == 404
        wrong = await client.post("/jobs", json={**body, "config": {"no-such-field": 1}})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "refused")


async def test_a_job_of_a_queue_that_serves_another_tenant_is_refused(api: Api, place: Place, queue: str) -> None:
    other = {"spec": {"namespaceSelector": {"matchLabels": {TENANT_LABEL: "somebody-else"}}}}
    place.kubectl.server.patch(job_queues(queue), other)
    async with api.client(place.tenant) as client:
        answer = await client.post("/jobs", json={"queue": queue, "config": {"task": "aggregate-usage"}})
        assert (answer.status_code, answer.json()["code"]) == (403, "queue-not-served")
        assert (await client.get("/jobs")).json()["items"] == []


async def test_what_the_schema_refuses_is_told_with_its_sentence(api: Api, place: Place) -> None:
    async with api.client(place.tenant) as client:
        repository_id = (await client.post("/repositories", json={"url": "https://git.example.com/a/b.git"})).json()[
            "id"
        ]
        for config, sentence in (
            ({"languages": ["$$"]}, "a language is written by its usual name"),
            ({"no-such-field": 1}, "unknown field"),
            ({"paths": ["/etc"]}, "relative to the repository's root"),
        ):
            answer = await client.post("/analyses", json={"repositoryId": repository_id, "config": config})
            assert (answer.status_code, answer.json()["code"]) == (422, "refused")
            assert sentence in answer.json()["error"]
        assert (await client.get("/analyses")).json()["items"] == []


async def test_every_repository_that_the_api_takes_is_taken_by_the_schema(api: Api, place: Place) -> None:
    async with api.client(place.tenant) as client, Cluster.connect(str(place.kubectl.kubeconfig)) as cluster:
        for url, ref in (
            ("https://git.example.com/a/b.git", ""),
            ("http://git.example.com:8080/a?b=c", "refs/heads/main"),
            ("https://[2001:db8::1]:443/a", "feature/a_b.c+d"),
            ("https://xn--bcher-kva.example/~me/a%20b", "0" * 40),
            ("https://example.com/" + "a" * 2000, "a" * 255),
        ):
            registered = await client.post("/repositories", json={"url": url, "ref": ref})
            assert registered.status_code == 201, registered.text
            answer = await client.post("/analyses", json={"repositoryId": registered.json()["id"]})
            assert answer.status_code == 201, answer.text
            found = await cluster.get(analysis_jobs(place.namespace, answer.json()["id"]))
            assert found["spec"]["repository"].get("ref", "") == ref


async def test_a_tenant_is_a_label_on_a_namespace(api: Api, place: Place) -> None:
    async with api.client(place.tenant) as client, api.client(f"{place.tenant}x") as stranger:
        assert (await client.get("/analyses")).status_code == 200
        assert (await stranger.get("/analyses")).status_code == 403


def test_the_program_serves_until_sigterm_and_then_ends_well(
    tmp_path: Path, signer: Signer, history_url: str, redis_url: str, kubeconfig: Path
) -> None:
    settings = make_settings(tmp_path, signer, history_url, redis_url)
    public, internal = free_port(), free_port()
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "FORGE_DATABASE_URL": history_url,
        "FORGE_REDIS_URL": redis_url,
        "FORGE_JWT_KEYS": settings.jwt_keys,
        "FORGE_HOST": "127.0.0.1",
        "FORGE_PUBLIC_PORT": str(public),
        "FORGE_INTERNAL_PORT": str(internal),
        "FORGE_DRAIN_SECONDS": "0",
    }
    with (tmp_path / "log").open("wb") as log:
        program = subprocess.Popen([sys.executable, "-m", "forge_api"], env=environment, stderr=log)
    try:
        addresses = [f"http://127.0.0.1:{port}/readyz" for port in (public, internal)]
        wait_until(lambda: all(_ready(address) for address in addresses), what="both ports are ready")
        program.send_signal(signal.SIGTERM)
        assert program.wait(120) == 0, (tmp_path / "log").read_text()
    finally:
        program.kill()
        program.wait(60)


def _ready(url: str) -> bool:
    try:
        return httpx2.get(url, verify=False).status_code == 200
    except httpx2.TransportError:
        return False

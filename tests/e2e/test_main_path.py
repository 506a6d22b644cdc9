"""From a manifest or a request to a result, on the real cluster."""

import base64
from collections.abc import Callable

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_a_job_applied_by_kubectl_completes_and_is_seen_in_the_api(
    forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    name = jobs.submit(small_repository)
    job = forge.wait_for(name, Phase.COMPLETED)
    status, uid = job["status"], job["metadata"]["uid"]
    assert (status["progress"], status["attempts"]) == (100, 1)
    assert status["queuedAt"] <= status["admittedAt"] <= status["startedAt"] <= status["completedAt"]
    assert [c["status"] for c in status["conditions"] if c["type"] == "Complete"] == ["True"]
    with forge.api() as api:
        shown = wait_until(
            lambda: found if (found := api.get(f"/analyses/{uid}").json()).get("status") == "completed" else None
        )
        assert shown["progress"] == 100
        assert shown["message"] == status.get("message", "")
        results = api.get(f"/analyses/{uid}/results").json()
        assert api.get(f"/analyses/{uid}/sarif").json()["version"] == "2.1.0"
        assert "cloning" in api.get(f"/analyses/{uid}/logs").text
    assert results["summary"]["score"]["grade"] in "ABCDE"
    assert results["summary"]["recommendations"]


def test_a_job_made_by_the_api_is_seen_by_kubectl(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    with forge.api() as api:
        registered = api.post("/repositories", json={"url": small_repository, "ref": "main"})
        repository = registered.json()["id"]
        submitted = api.post("/analyses", json={"repositoryId": repository}).json()
        assert submitted["status"] == "queued"
        assert submitted["estimatedDuration"] > 0
        jobs.names.append(submitted["id"])
        job = forge.wait_for(submitted["id"], Phase.COMPLETED)
        assert job["spec"]["requestedBy"] == "tester"
        assert job["spec"]["priority"] == 1
        shown = wait_until(
            lambda: (
                found if (found := api.get(f"/analyses/{submitted['id']}").json())["status"] == "completed" else None
            )
        )
        assert shown["id"] == submitted["id"]
    printed = forge.kubectl.run("-n", TENANT_NAMESPACE, "get", "aj", submitted["id"]).stdout
    assert "Completed" in printed
    assert "100" in printed


def test_a_private_repository_is_cloned_with_its_credentials(
    forge: Forge, jobs: Jobs, serve: Callable[..., str]
) -> None:
    url = serve({"a.py": "x = 1\n"}, credentials="me:s3cret-word")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "e2e-credentials", "namespace": TENANT_NAMESPACE},
        "stringData": {"host": "git-server.git.svc", "username": "me", "password": "s3cret-word"},
    }
    forge.kubectl.server.apply(secret)
    try:
        good = jobs.submit(url, repository={"credentialsSecretRef": {"name": "e2e-credentials"}})
        without = jobs.submit(url)
        forge.wait_for(good, Phase.COMPLETED)
        failed = forge.wait_for(without, Phase.FAILED)
    finally:
        forge.kubectl.server.delete(core("secrets", TENANT_NAMESPACE, "e2e-credentials"))
    assert "credentials" in failed["status"]["message"]
    assert "s3cret-word" not in str(forge.job(good))


def test_credentials_of_another_host_are_not_sent(forge: Forge, jobs: Jobs, serve: Callable[..., str]) -> None:
    url = serve({"a.py": "x = 1\n"}, credentials="me:s3cret-word")
    data = {"host": "other.example.com", "username": "me", "password": "s3cret-word"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": "e2e-other-host", "namespace": TENANT_NAMESPACE}
    forge.kubectl.server.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})
    try:
        name = jobs.submit(url, repository={"credentialsSecretRef": {"name": "e2e-other-host"}})
        failed = forge.wait_for(name, Phase.FAILED)
    finally:
        forge.kubectl.server.delete(core("secrets", TENANT_NAMESPACE, "e2e-other-host"))
    assert "other.example.com" in failed["status"]["message"]


def test_a_job_for_a_queue_that_is_not_there_waits_and_says_so(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, queue="not-there-yet")
    assert "not-there-yet" in wait_until(lambda: forge.message(name))
    assert forge.phase(name) == Phase.QUEUED


def test_a_job_of_a_paused_queue_waits_and_says_so(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, queue=jobs.queue(paused=True))
    assert "paused" in wait_until(lambda: forge.message(name))
    assert forge.phase(name) == Phase.QUEUED

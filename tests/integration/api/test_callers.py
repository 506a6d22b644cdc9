"""Who may call the internal port: runners, as the cluster says, and nobody else."""

from typing import Any

import httpx2
import pytest

from tests.builders.api import Api, MemoryCluster
from tests.builders.runner_calls import SARIF, claim, commit, upload

pytestmark = pytest.mark.anyio
WRONG: dict[str, tuple[int, Any]] = {
    "not authenticated": (401, {"authenticated": False}),
    "another audience": (401, {"audiences": ["kubernetes"]}),
    "no audiences": (401, {"audiences": []}),
    "another account": (403, {"user": {"username": "system:serviceaccount:tenant-acme:default"}}),
    "a person": (403, {"user": {"username": "admin"}}),
    "an account without a pod": (403, {"user": {"username": "system:serviceaccount:tenant-acme:forge-runner"}}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_token_that_is_no_runners_is_refused(api: Api, cluster: MemoryCluster, what: str) -> None:
    status, changes = WRONG[what]
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"), **changes)
    for answer in (await claim(api, pod), await upload(api, pod, 1, "a", SARIF), await commit(api, pod, 1)):
        assert answer.status_code == status


async def test_no_token_and_a_users_token_are_refused(api: Api) -> None:
    async with api.runner(api.signer.token()) as client, httpx2.AsyncClient(base_url=api.internal) as bare:
        for who in (client, bare):
            assert (await who.post("/internal/v1/attempts", json={"number_in_pod": 1})).status_code == 401


async def test_a_cluster_that_is_away_is_a_503_and_never_a_refusal(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    cluster.away = True
    assert (await claim(api, pod)).status_code == 503


async def test_a_job_that_names_another_tenants_analysisjob_as_its_owner_is_refused(
    api: Api, cluster: MemoryCluster
) -> None:
    theirs = cluster.job("tenant-other", "sample")
    thief = cluster.pod("tenant-acme", theirs)
    assert (await claim(api, thief)).status_code == 409
    cluster.job("tenant-acme", "sample")
    assert (await claim(api, thief)).json()["code"] == "fenced"


async def test_a_job_that_the_operator_did_not_name_is_refused(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    renamed = cluster.objects[f"/api/v1/namespaces/tenant-acme/pods/{pod.name}"]
    path = next(path for path in cluster.objects if "/jobs/" in path)
    forged = cluster.put("/apis/batch/v1/namespaces/tenant-acme/jobs/forged", cluster.objects[path])
    renamed["metadata"]["ownerReferences"][0].update(name="forged", uid=forged["metadata"]["uid"])
    assert (await claim(api, pod)).status_code == 403


async def test_a_job_whose_analysisjob_was_deleted_is_fenced(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    del cluster.objects["/apis/forge-factory.dev/v1alpha1/namespaces/tenant-acme/analysisjobs/sample"]
    answer = await claim(api, pod)
    assert (answer.status_code, answer.json()["code"]) == (409, "fenced")

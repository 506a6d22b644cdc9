"""GET /analyses/{id}/explain: the operator's chain, as JSON or text; without the operator what was last written."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from forge_api.accepting import prefers_text
from forge_api.settings import Settings
from forge_core.cluster import Raw, analysis_jobs
from forge_core.names import EXPLAIN_PATH
from forge_core.phase import Phase
from forge_operator.digests import Kind
from tests.builders.api import Api, MemoryCluster, Signer, make_settings, running_api
from tests.builders.operator import make_job, make_namespace, make_picture, make_queue
from tests.integration.api.test_analyses import record, submit
from tests.services.explaining import TOKEN, ExplainingOperator, explaining_operator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def operator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ExplainingOperator]:
    monkeypatch.setattr("forge_api.operator.SECONDS", 60.0)  # a busy machine may need longer than a person waits
    namespace = (Kind.NAMESPACE, make_namespace("tenant-acme", tenant="acme"))
    queue = (Kind.JOB_QUEUE, make_queue(version=6, concurrency=0))
    async with explaining_operator(make_picture([namespace, queue])) as operator:
        yield operator


@pytest.fixture
def settings(
    tmp_path: Path, signer: Signer, history_url: str, redis_url: str, operator: ExplainingOperator
) -> Settings:
    return make_settings(
        tmp_path, signer, history_url, redis_url, operator_url=operator.url + "/", operator_token=TOKEN
    )


async def seen(operator: ExplainingOperator, cluster: MemoryCluster, job_id: str) -> Raw:
    """The operator has seen the job that the API made."""
    held = cluster.objects[analysis_jobs("tenant-acme", job_id)]
    raw = make_job(job_id, namespace="tenant-acme")
    raw["metadata"]["uid"] = held["metadata"]["uid"]
    operator.picture.observe(Kind.ANALYSIS_JOB, "ADDED", raw)
    return held


async def explained(client: httpx2.AsyncClient, job_id: str, **headers: str) -> Any:
    answer = await client.get(f"/analyses/{job_id}/explain", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["vary"] == "Accept"
    return answer.json() if answer.headers["content-type"] == "application/json" else answer.text


async def test_a_waiting_job_is_explained_by_the_operator(
    api: Api, cluster: MemoryCluster, operator: ExplainingOperator
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        await seen(operator, cluster, job_id)
        found = await explained(client, job_id)
        assert found["message"] == "Waiting in queue analysis: 0 of 0 running"
        assert found["complete"] is True
        assert [step["name"] for step in found["chain"] if step["verdict"] == "holds"] == ["concurrency"]
        assert found["line"] == {"position": 1, "length": 1, "expectedStart": None}
        text = await explained(client, job_id, accept="text/plain")
    assert text.startswith("Waiting in queue analysis: 0 of 0 running\n\n  passed   queue ")
    assert "Position: 1 of 1\nExpected start: unknown\n" in text


async def test_another_tenants_job_and_an_unknown_one_are_not_found(
    api: Api, cluster: MemoryCluster, operator: ExplainingOperator
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        held = await seen(operator, cluster, job_id)
    async with api.client("other") as client:
        for named in (job_id, held["metadata"]["uid"], str(uuid.uuid4())):
            answer = await client.get(f"/analyses/{named}/explain")
            assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")
        assert (await client.get("/analyses/not-a-uuid/explain")).status_code == 422
    async with api.stranger() as client:
        assert (await client.get(f"/analyses/{job_id}/explain")).status_code == 401


@pytest.mark.parametrize("state", ["stands by", "has not seen it", "is another's token"])
async def test_what_the_operator_does_not_say_is_told_from_the_row_and_said_to_be_so(
    api: Api, cluster: MemoryCluster, operator: ExplainingOperator, state: str
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        if state == "stands by":
            operator.leads = False
        elif state == "is another's token":
            api.services.operator._session.headers["Authorization"] = "Bearer other"
        message = "Waiting in queue analysis: 10 of 10 running"
        said = [{"type": "Admitted", "status": "False", "reason": "ConcurrencyReached"}]
        cluster.set_status("tenant-acme", job_id, phase="Queued", message=message, conditions=said)
        found = await explained(client, job_id)
    assert found["message"] == message
    assert found["complete"] is False
    [step] = found["chain"]
    assert (step["name"], step["verdict"]) == ("operator", "unknown")
    assert "this is what was last written, the rest is not known now" in step["detail"]
    assert found["advice"].startswith("Nothing: it starts by itself.")


async def test_an_operator_that_cannot_be_reached_costs_a_moment_and_no_failure(
    tmp_path: Path, signer: Signer, history_url: str, redis_url: str, cluster: MemoryCluster
) -> None:
    for url in ("", "http://127.0.0.1:1"):
        settings = make_settings(tmp_path, signer, history_url, redis_url, operator_url=url, operator_token=TOKEN)
        async with running_api(settings, cluster, signer) as api, api.client() as client:
            found = await explained(client, await submit(client))
            assert found["complete"] is False
            assert "could not be asked" in found["chain"][0]["detail"]


async def test_a_job_that_is_still_to_be_sent_says_so(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        await client.get("/analyses")
        repository = (await client.post("/repositories", json={"url": "https://git.example.com/a/b.git"})).json()["id"]
        cluster.away = True
        job_id = (await client.post("/analyses", json={"repositoryId": repository})).json()["id"]
        found = await explained(client, job_id)
    assert [(step["name"], step["verdict"]) for step in found["chain"]] == [("cluster", "holds")]


async def test_a_failed_job_is_explained_in_the_words_of_its_row_also_when_it_has_left_the_cluster(
    api: Api, cluster: MemoryCluster, operator: ExplainingOperator
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        words = "no such ref: v9\x1b[31m"
        ended = record(cluster, job_id, Phase.FAILED, message=words, reason="PermanentFailure", attempts=1)
        await api.services.records.write([ended])
        del cluster.objects[analysis_jobs("tenant-acme", job_id)]
        operator.leads = False
        found = await explained(client, job_id)
        text = await explained(client, job_id, accept="text/plain")
    assert found["message"] == words
    assert found["complete"] is True
    assert found["advice"].startswith("Correct what the message names")
    assert found["chain"][-1]["verdict"] == "failed"
    assert text.startswith("no such ref: v9 [31m\n"), "nothing of a repository drives the terminal"


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", True),
        ("text/plain, */*", True),
        ("application/json, text/plain", False),
        ("application/json;q=0.5, text/plain;q=0.8", True),
        ("text/plain;q=0", False),
        ("text/plain;q=nan", False),
        ("TEXT/PLAIN;charset=utf-8", True),
        ("text/*", True),
        ("text/html,application/xhtml+xml", False),
        (",;,;q=;=;" * 500, False),
        ("text/plain;q=9e99999", False),
    ],
)
def test_text_is_given_to_whoever_asks_for_it(accept: str, text: bool) -> None:
    assert prefers_text(accept) is text


def test_the_operator_is_asked_by_the_uid_alone() -> None:
    assert EXPLAIN_PATH.startswith("/")
    assert EXPLAIN_PATH.endswith("/")

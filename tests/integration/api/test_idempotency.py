"""`Idempotency-Key`: a submission is repeated as often as one likes and makes one job; real servers and PostgreSQL."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_core.cluster import Call, Raw, Refused
from forge_core.names import ANALYSIS_JOB_KIND
from tests.builders.api import Api, MemoryCluster
from tests.integration.api.test_analyses import register
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.tenant("acme", "tenant-acme")
    cluster.tenant("other", "tenant-other")
    cluster.queue("analysis")
    return cluster


async def post(client: httpx2.AsyncClient, key: str | bytes, path: str = "/jobs", **body: Any) -> httpx2.Response:
    asked = {"queue": "analysis", **body} if path == "/jobs" else body
    header = (b"Idempotency-Key", key if isinstance(key, bytes) else key.encode())
    return await client.post(path, json=asked, headers=[header])


async def submit(client: httpx2.AsyncClient, key: str = KEY, path: str = "/jobs", **body: Any) -> httpx2.Response:
    """As a client does it: while the first is under way it asks again."""
    return await eventually(lambda: _at_rest(client, key, path, body), 60, "the first is no longer under way")


async def _at_rest(client: httpx2.AsyncClient, key: str, path: str, body: dict[str, Any]) -> httpx2.Response | None:
    answer = await post(client, key, path, **body)
    return None if answer.status_code == 409 and answer.json()["code"] == "outstanding" else answer


def made(cluster: MemoryCluster) -> list[Raw]:
    """The AnalysisJobs in the cluster."""
    return [held for held in cluster.objects.values() if held.get("kind") == ANALYSIS_JOB_KIND]


async def forget_a_day(api: Api, hours: float) -> None:
    """Everything is so much older."""
    async with api.services.submissions._history.begin() as connection:
        await connection.execute(
            text("update jobs set created_at = created_at - make_interval(secs => :seconds)"), {"seconds": hours * 3600}
        )


async def test_the_same_request_is_answered_with_the_same_job(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        repository = await register(client)
        for path in ("/analyses", "/jobs"):
            key = f"{KEY}{path}"
            first = await submit(client, key, path, repositoryId=repository, config={"exclude": ["a"], "paths": ["b"]})
            assert first.status_code == 201, first.text
            assert "idempotency-replayed" not in first.headers
            again = await submit(client, key, path, config={"paths": ["b"], "exclude": ["a"]}, repositoryId=repository)
            assert (again.status_code, again.json()) == (201, first.json())
            assert again.headers["location"] == first.headers["location"]
            assert again.headers["idempotency-replayed"] == "true"
        assert len((await client.get("/jobs")).json()["items"]) == 2
    assert len(made(cluster)) == 2


async def test_without_a_key_each_request_makes_a_job(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        for _ in range(2):
            assert (await client.post("/jobs", json={"queue": "analysis"})).status_code == 201
    assert len(made(cluster)) == 2


async def test_another_request_under_the_same_key_is_refused(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        repository = await register(client)
        assert (await submit(client, repositoryId=repository)).status_code == 201
        for path, body in (
            ("/jobs", {"repositoryId": repository, "priority": 3}),
            ("/jobs", {"repositoryId": repository, "config": {"paths": ["src"]}}),
            ("/jobs", {}),
            ("/analyses", {"repositoryId": repository}),
        ):
            answer = await submit(client, path=path, **body)
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused"), (path, body)
            assert "take a new one" in answer.json()["error"]
    assert len(made(cluster)) == 1


async def test_a_key_is_a_users_own(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as ada, api.client(user="bob") as bob, api.client("other") as other:
        ids = {(await submit(client)).json()["id"] for client in (ada, bob, other)}
        assert len(ids) == 3
        assert (await submit(bob, priority=9)).status_code == 422
    assert len(made(cluster)) == 3


async def test_many_at_once_make_one_job(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        answers = await asyncio.gather(*(post(client, KEY) for _ in range(12)))
        [job_id] = {answer.json()["id"] for answer in answers if answer.status_code == 201}
        assert {answer.json().get("code") for answer in answers if answer.status_code != 201} <= {"outstanding"}
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert (await submit(client)).json()["id"] == job_id
        assert len((await client.get("/jobs")).json()["items"]) == 1
    await api.services.submitter.sweep()  # a repetition that looked at the row left its sending to the background
    assert [held["metadata"]["name"] for held in made(cluster)] == [job_id]


async def test_while_the_first_is_under_way_a_repetition_is_told_to_wait(
    api: Api, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, answered, really = asyncio.Event(), asyncio.Event(), cluster.request

    async def slow(call: Call) -> Raw:
        if call.method == "POST" and call.path.endswith("/analysisjobs"):
            sent.set()
            await answered.wait()
        return await really(call)

    monkeypatch.setattr(cluster, "request", slow)
    async with api.client() as client:
        first = asyncio.create_task(post(client, KEY))
        await asyncio.wait_for(sent.wait(), 120)
        waiting = await post(client, KEY)
        assert (waiting.status_code, waiting.json()["code"]) == (409, "outstanding")
        assert waiting.headers["retry-after"] == "1"
        answered.set()
        job_id = (await first).json()["id"]
        assert (await submit(client)).json()["id"] == job_id


async def test_a_request_whose_first_answer_was_lost_while_the_cluster_is_away_gets_its_job(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        assert (await client.get("/jobs")).status_code == 200  # the tenant and its queues are known
        assert (await submit(client, "before")).status_code == 201
        cluster.away = True
        first, again = await submit(client), await submit(client)
        assert first.status_code == again.status_code == 201
        assert first.json()["id"] == again.json()["id"]


async def test_a_refused_job_leaves_its_key_free(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        cluster.refusal = Refused(422, "Invalid", "spec.config: nothing of the kind")
        for _ in range(2):
            answer = await submit(client)
            assert (answer.status_code, answer.json()["code"]) == (422, "refused")
        cluster.refusal = None
        assert (await submit(client, priority=2)).status_code == 201
    assert len(made(cluster)) == 1


async def test_a_key_holds_for_a_day(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        first = (await submit(client)).json()["id"]
        await forget_a_day(api, 23.9)
        assert (await submit(client)).json()["id"] == first
        await forget_a_day(api, 0.2)
        second = (await submit(client, priority=4)).json()["id"]
        assert second != first
        assert (await submit(client, priority=4)).json()["id"] == second
    assert len(made(cluster)) == 2


async def test_a_cancelled_job_keeps_its_key(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = (await submit(client)).json()["id"]
        assert (await client.delete(f"/jobs/{job_id}")).status_code in {200, 202}
        assert (await submit(client)).json()["id"] == job_id


@pytest.mark.parametrize("length", [1, 255])
async def test_any_visible_text_is_a_key(api: Api, length: int) -> None:
    async with api.client() as client:
        key = ("'\"{}\\;--" * 40)[:length]
        first, again = await submit(client, key), await submit(client, key)
        assert (first.status_code, first.json()["id"]) == (201, again.json()["id"])


HOSTILE = {
    "empty": b"",
    "too long": b"k" * 256,
    "with a space": b"a b",
    "with a tab": b"a\tb",
    "with other letters": "schl\u00fcssel".encode(),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_is_no_key_is_refused_and_makes_no_job(api: Api, cluster: MemoryCluster, case: str) -> None:
    async with api.client() as client:
        answer = await post(client, HOSTILE[case])
        assert answer.status_code == 422, answer.text
        assert "idempotency-key" in answer.json()["error"].lower()
    assert made(cluster) == []


async def test_a_control_character_is_refused_before_anything_is_read(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        assert (await post(client, b"a\x7fb")).status_code in {400, 422}
    assert made(cluster) == []


async def test_two_keys_at_once_are_refused(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        answer = await client.post("/jobs", json={"queue": "analysis"}, headers=headers)
        assert (answer.status_code, "more than one" in answer.json()["error"]) == (422, True)
    assert made(cluster) == []


async def test_a_bad_body_uses_no_key_up(api: Api) -> None:
    async with api.client() as client:
        assert (await submit(client, priority="first")).status_code == 422
        assert (await submit(client, priority=1)).status_code == 201


async def test_the_document_tells_of_the_key(api: Api) -> None:
    async with api.stranger() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    for path in ("/jobs", "/analyses"):
        [header] = [each for each in paths[path]["post"]["parameters"] if each["in"] == "header"]
        assert header["name"].lower() == "idempotency-key"
        assert not header["required"]
        assert "24 hours" in header["description"]
        assert "Idempotency-Replayed" in paths[path]["post"]["responses"]["201"]["headers"]
        assert "409" in paths[path]["post"]["responses"]

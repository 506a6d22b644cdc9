"""Endpoints and their deliveries through the API, with a real PostgreSQL; secrets only where they belong."""

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import pytest

from forge_core.attempts import Outcome
from forge_core.cluster import Raw, Refused, core
from forge_core.exits import FailureClass
from forge_core.history.attempts import Draw, Owner
from forge_core.history.endpoints import MAX_ENDPOINTS
from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
URL = "https://hooks.example.com/forge"


async def register(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/webhooks", json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/webhooks/{made['id']}"
    return made


def secret_of(cluster: MemoryCluster, endpoint: dict[str, Any], namespace: str = "tenant-acme") -> dict[str, str]:
    held = cluster.objects[core("secrets", namespace, f"forge-job-webhook-{endpoint['id']}")]
    return {key: base64.b64decode(value).decode() for key, value in held["data"].items()}


def deliveries_in(cluster: MemoryCluster) -> list[Raw]:
    return [held for path, held in cluster.objects.items() if "/analysisjobs/" in path]


async def submitted(cluster: MemoryCluster, count: int = 1) -> list[Raw]:
    """The deliveries' AnalysisJobs, once there are so many."""

    async def there() -> list[Raw] | None:
        return deliveries_in(cluster) if len(deliveries_in(cluster)) >= count else None

    return await eventually(there, what=f"{count} deliveries are submitted")


def everything_stored(url: str) -> str:
    """All rows of all tables, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        rows = [connection.execute(f"select t::text from {name} t").fetchall() for (name,) in tables]
    return str(rows)


# --- endpoints ---------------------------------------------------------------------------------------------------
async def test_a_secret_is_shown_once_and_is_in_its_secret_and_in_no_row(
    api: Api, cluster: MemoryCluster, history_url: str
) -> None:
    async with api.client() as client:
        made = await register(client, events=["analysis.*"], description="chat")
        assert made["secret"].startswith("whsec_")
        assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
        assert secret_of(cluster, made) == {"url": URL, "secret": made["secret"]}
        shown = (await client.get(f"/webhooks/{made['id']}")).json()
        assert (shown["url"], shown["events"], shown["enabled"]) == (URL, ["analysis.*"], True)
        listed = (await client.get("/webhooks")).json()["items"]
    assert listed == [shown]
    assert made["secret"] not in str(shown) + everything_stored(history_url)


async def test_rotating_makes_a_new_secret_and_keeps_the_one_before_for_a_while(
    api: Api, cluster: MemoryCluster, history_url: str
) -> None:
    async with api.client() as client:
        made = await register(client)
        rotated = (await client.post(f"/webhooks/{made['id']}/rotate-secret", json={"overlapSeconds": 60})).json()
    held = secret_of(cluster, made)
    assert held["secret"] == rotated["secret"] != made["secret"]
    assert held["previous"] == made["secret"]
    until = datetime.fromisoformat(held["previous-until"])
    assert abs((until - datetime.fromisoformat(rotated["previousUntil"])).total_seconds()) < 1
    assert rotated["secret"] not in everything_stored(history_url)
    assert not [call for call in cluster.calls if call.method == "GET" and "/secrets" in call.path]


async def test_changing_reaches_row_and_secret(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        made = await register(client)
        changes = {"url": "https://b.example.com/", "events": ["analysis.failed"], "enabled": False}
        changed = (await client.patch(f"/webhooks/{made['id']}", json=changes)).json()
        assert {name: changed[name] for name in changes} == changes
        assert changed["disabledBecause"] == "user"
        assert secret_of(cluster, made)["url"] == "https://b.example.com/"
        again = (await client.patch(f"/webhooks/{made['id']}", json={"enabled": True})).json()
        assert (again["enabled"], again["disabledBecause"], again["url"]) == (True, "", "https://b.example.com/")


async def test_a_deleted_endpoint_leaves_neither_row_nor_secret(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        made = await register(client)
        assert (await client.delete(f"/webhooks/{made['id']}")).status_code == 204
        assert (await client.get(f"/webhooks/{made['id']}")).status_code == 404
        assert (await client.delete(f"/webhooks/{made['id']}")).status_code == 404
    assert not [path for path in cluster.objects if "/secrets/" in path]


async def test_another_tenants_endpoint_is_not_there(api: Api) -> None:
    async with api.client() as client:
        path = f"/webhooks/{(await register(client))['id']}"
    async with api.client("other") as stranger:
        assert (await stranger.get("/webhooks")).json()["items"] == []
        for answer in (
            await stranger.get(path), await stranger.patch(path, json={"enabled": False}), await stranger.delete(path),
            await stranger.post(f"{path}/rotate-secret", json={}), await stranger.post(f"{path}/ping"),
            await stranger.get(f"{path}/deliveries"),
            await stranger.post(f"{path}/deliveries/{uuid.uuid4()}/redeliver"),
        ):  # fmt: skip
            assert answer.status_code == 404, answer.url


async def test_a_tenant_has_so_many_endpoints_and_no_more_and_no_secret_is_left_over(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        for _ in range(MAX_ENDPOINTS):
            await register(client)
        answer = await client.post("/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many")
    assert len([path for path in cluster.objects if "/secrets/" in path]) == MAX_ENDPOINTS


@pytest.mark.parametrize(
    "body",
    [
        {}, {"url": ""}, {"url": "ftp://a.example/"}, {"url": "https://u:p@a.example/"}, {"url": "https://2130706433/"},
        {"url": "https://0x7f.1/"}, {"url": "https://ä.example/"}, {"url": "https://a.example/#x"},
        {"url": URL, "events": ["Analysis"]}, {"url": URL, "events": ["a.b"] * 21}, {"url": URL, "events": ["*.x"]},
        {"url": URL, "description": "a\nb"}, {"url": URL, "description": "x" * 254}, {"url": URL, "secret": "whsec_x"},
    ],
)  # fmt: skip
async def test_a_malformed_endpoint_is_refused(api: Api, cluster: MemoryCluster, body: dict[str, Any]) -> None:
    async with api.client() as client:
        assert (await client.post("/webhooks", json=body)).status_code == 422
    assert not [path for path in cluster.objects if "/secrets/" in path]


async def test_what_the_cluster_says_of_a_secret_is_not_passed_on(api: Api, cluster: MemoryCluster) -> None:
    cluster.refusal = Refused(403, "Forbidden", 'secrets "x" is forbidden: data is d2hzZWNfLi4u')
    async with api.client() as client:
        answer = await client.post("/webhooks", json={"url": URL})
    assert answer.status_code == 422
    assert "d2hz" not in answer.text
    assert (await _count(api)) == 0


async def _count(api: Api) -> int:
    async with api.client() as client:
        return len((await client.get("/webhooks")).json()["items"])


# --- events to deliveries ----------------------------------------------------------------------------------------
def ended(phase: Phase = Phase.COMPLETED, **changes: Any) -> JobRecord:
    """A job's end as the operator records it."""
    now = datetime.now(UTC)
    return JobRecord(
        **{
            "uid": uuid.uuid4(), "resource_version": 5, "tenant": "acme", "namespace": "tenant-acme", "name": "a",
            "queue": "analysis", "kind": "analysis", "spec": {"queue": "analysis"}, "priority": 1, "phase": phase,
            "created_at": now, "completed_at": now, **changes,
        }
    )  # fmt: skip


async def test_an_event_becomes_one_job_for_each_endpoint_that_listens(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client, api.client("other") as other:
        listening = [await register(client), await register(client, events=["analysis.completed"])]
        await register(client, events=["analysis.failed"])
        off = await register(client)
        await client.patch(f"/webhooks/{off['id']}", json={"enabled": False})
        await register(other)
    job = ended()
    await api.services.records.write([job])
    await submitted(cluster, 2)
    secrets = {each["spec"]["secretRef"]["name"] for each in deliveries_in(cluster)}
    assert secrets == {f"forge-job-webhook-{endpoint['id']}" for endpoint in listening}
    for each in deliveries_in(cluster):
        assert each["spec"]["queue"] == "webhooks"
        event = json.loads(each["spec"]["config"]["payload"])
        assert (event["type"], event["id"]) == ("analysis.completed", each["spec"]["config"]["messageId"])
        assert event["data"]["analysisId"] == str(job.uid)
        assert "whsec_" not in str(each)
        assert URL not in str(each)


async def test_an_event_that_is_dispatched_again_makes_nothing_new(
    api: Api, cluster: MemoryCluster, history_url: str
) -> None:
    async with api.client() as client:
        await register(client)
    await api.services.records.write([ended()])
    await submitted(cluster)
    with psycopg.connect(history_url) as connection:
        connection.execute("update outbox set dispatched_at = null")
    done = await api.services.deliveries.dispatch(100, datetime.now(UTC))
    assert done.jobs == ()
    assert len(deliveries_in(cluster)) == 1


@pytest.mark.parametrize("kind", ["webhooks", "cleanup"])
async def test_the_end_of_a_delivery_makes_no_delivery(api: Api, cluster: MemoryCluster, kind: str) -> None:
    async with api.client() as client:
        await register(client)
    await api.services.records.write([ended(Phase.FAILED, queue=kind, kind=kind), ended()])
    await submitted(cluster)
    assert len(deliveries_in(cluster)) == 1


async def test_a_delivery_that_the_cluster_refuses_makes_no_event(
    api: Api, cluster: MemoryCluster, history_url: str
) -> None:
    async with api.client() as client:
        endpoint = await register(client)
        cluster.refusal = Refused(422, "Invalid", "spec.config: too large")
        await api.services.records.write([ended()])

        async def failed() -> bool:
            found = (await client.get(f"/webhooks/{endpoint['id']}/deliveries")).json()["items"]
            return [each["status"] for each in found] == ["failed"]

        await eventually(failed, what="the delivery has failed")
    with psycopg.connect(history_url) as connection:
        assert connection.execute("select type from outbox").fetchall() == [("analysis.completed",)]


# --- what became of them -----------------------------------------------------------------------------------------
async def attempted(api: Api, uid: uuid.UUID, number: int, status: int, outcome: str = "failed") -> None:
    """One attempt of a delivery, as its pod tells it."""
    pod, now = uuid.uuid4(), datetime.now(UTC)
    await api.services.attempts.claim(Draw(uid, pod, "pod", 1, 5), now)
    account = {"response": {"status": status, "seconds": 0.2, "body": f"said {status}"}, "seconds": 0.2}
    failure = {"failure_class": FailureClass.TRANSIENT, "message": f"answered {status}"} if outcome == "failed" else {}
    told = Outcome(status=outcome, summary=account, **failure)  # type: ignore[arg-type]
    await api.services.attempts.finish(Owner(uid, number, pod), told, now)


async def pinged(client: httpx2.AsyncClient, cluster: MemoryCluster) -> tuple[str, uuid.UUID, dict[str, Any]]:
    """An endpoint, its ping's AnalysisJob UID and the answer."""
    endpoint = (await register(client))["id"]
    answer = await client.post(f"/webhooks/{endpoint}/ping")
    assert answer.status_code == 202, answer.text
    await submitted(cluster)
    return endpoint, uuid.UUID(deliveries_in(cluster)[-1]["metadata"]["uid"]), answer.json()


async def test_each_call_of_a_delivery_is_shown_with_its_answer(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        endpoint, uid, accepted = await pinged(client, cluster)
        await attempted(api, uid, 1, 500)
        await attempted(api, uid, 2, 200, "succeeded")
        (shown,) = (await client.get(f"/webhooks/{endpoint}/deliveries")).json()["items"]
    assert (shown["id"], shown["eventType"], shown["messageId"]) == (accepted["id"], "ping", accepted["messageId"])
    assert [(call["attempt"], call["status"], call["body"]) for call in shown["calls"]] == [
        (1, 500, "said 500"), (2, 200, "said 200"),
    ]  # fmt: skip


async def test_an_endpoint_that_is_gone_is_disabled_until_it_is_enabled_again(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        endpoint, uid, _ = await pinged(client, cluster)
        await attempted(api, uid, 1, 410)

        async def gone() -> bool:
            return bool((await client.get(f"/webhooks/{endpoint}")).json()["disabledBecause"] == "gone")

        await eventually(gone, what="it is disabled")
        await client.patch(f"/webhooks/{endpoint}", json={"enabled": True})
        assert await api.services.deliveries.settle() == []
        assert (await client.get(f"/webhooks/{endpoint}")).json()["enabled"] is True


async def test_redelivering_is_a_new_job_with_the_same_message(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        endpoint, _, first = await pinged(client, cluster)
        again = await client.post(f"/webhooks/{endpoint}/deliveries/{first['id']}/redeliver")
        assert again.status_code == 202
        assert again.json()["messageId"] == first["messageId"]
        assert again.json()["id"] != first["id"]
        shown = (await client.get(f"/webhooks/{endpoint}/deliveries?limit=1")).json()
        assert shown["items"][0]["id"] == again.json()["id"]
        rest = await client.get(f"/webhooks/{endpoint}/deliveries", params={"cursor": shown["nextCursor"]})
        assert [each["id"] for each in rest.json()["items"]] == [first["id"]]
        assert (await client.post(f"/webhooks/{endpoint}/deliveries/{uuid.uuid4()}/redeliver")).status_code == 404
    payloads = {each["spec"]["config"]["payload"] for each in deliveries_in(cluster)}
    assert len(payloads) == 1

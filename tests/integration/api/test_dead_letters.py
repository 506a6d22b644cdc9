"""Dead letters through the API: found in groups of one cause, redriven once and no more, at a bounded rate."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_api.settings import Settings
from forge_core.cluster import Refused, analysis_jobs
from forge_core.fingerprints import normalised
from forge_core.history.causes import fill_in
from forge_core.history.database import History
from forge_core.history.records import JobRecord
from forge_core.names import ANALYSIS_ID_ANNOTATION
from forge_core.resource import Phase
from tests.builders.api import Api, MemoryCluster, Signer, running_api
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)
SLOW = "3 of 3 attempts are used up; of the last one: The host git.example.com was too slow to answer."
LOST = "The host git.example.com could not be found: the name service did not answer."
SPEC = {"queue": "analysis", "repository": {"url": "https://git.example.com/a.git"}, "cancel": False, "timeout": "5m"}


def failed(message: str = SLOW, **changes: Any) -> JobRecord:
    """The record of a job of kubectl that failed."""
    number = uuid.uuid4()
    given = {
        "uid": number, "resource_version": 9, "tenant": "acme", "namespace": "tenant-acme", "name": f"job-{number}",
        "queue": "analysis", "kind": "analysis", "spec": SPEC, "priority": 7, "phase": Phase.FAILED,
        "created_at": NOW - timedelta(hours=1), "completed_at": NOW, "message": message, "stage": "cloning",
        "reason": "AttemptsExhausted", "failure_class": "transient", "attempts": 3,
    }  # fmt: skip
    return JobRecord(**{**given, **changes})


async def record(api: Api, *records: JobRecord) -> list[str]:
    await api.services.records.write(records)
    return [str(one.uid) for one in records]


async def groups(client: httpx2.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/dead-letters?{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def redrive(client: httpx2.AsyncClient, job_id: str) -> str:
    answer = await client.post(f"/analyses/{job_id}/redrive")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@asynccontextmanager
async def another_api(settings: Settings, cluster: MemoryCluster, signer: Signer, rate: float) -> AsyncIterator[Api]:
    """A replica with another rate."""
    changed = settings.model_copy(update={"redrives_per_second": rate})
    async with running_api(changed, cluster, signer) as api:
        yield api


# --- finding ---


async def test_failures_of_one_cause_are_one_group(api: Api) -> None:
    first, second = failed(SLOW, completed_at=NOW - timedelta(minutes=5)), failed(SLOW.replace("3", "2"))
    await record(api, first, second, failed(LOST, completed_at=NOW - timedelta(hours=2)))
    async with api.client() as client:
        slow, lost = await groups(client)
        assert (slow["count"], slow["redriven"], lost["count"]) == (2, 0, 1)
        assert slow["message"] == normalised(SLOW)
        assert slow["example"]["message"] == second.message
        assert slow["example"]["id"] == str(second.uid)
        seen = [datetime.fromisoformat(slow[key]) for key in ("firstSeen", "lastSeen")]
        assert seen == [first.completed_at, second.completed_at]
        place = {key: slow[key] for key in ("queue", "kind", "class", "reason", "stage")}
        assert place == {
            "queue": "analysis", "kind": "analysis", "class": "transient", "reason": "AttemptsExhausted",
            "stage": "cloning",
        }  # fmt: skip
        listed = (await client.get(f"/dead-letters/{slow['fingerprint']}")).json()
        assert {item["id"] for item in listed["items"]} == {str(first.uid), str(second.uid)}


async def test_only_failed_jobs_of_the_tenant_are_dead_letters(api: Api) -> None:
    await record(api, failed(phase=Phase.COMPLETED), failed(phase=Phase.CANCELLED), failed(phase=Phase.RUNNING))
    await record(api, failed(tenant="other", namespace="tenant-other"))
    async with api.client() as client, api.client("other") as other:
        assert await groups(client) == []
        (theirs,) = await groups(other)
        for method, path in (("GET", ""), ("POST", "/redrive")):
            body = {"limit": 1} if method == "POST" else None
            answer = await client.request(method, f"/dead-letters/{theirs['fingerprint']}{path}", json=body)
            assert (answer.status_code, "no dead letters" in answer.json()["error"]) == (404, True)
        assert (await client.post("/dead-letters/redrive", json={"limit": 100})).json()["redriven"] == 0
        assert (await groups(other))[0]["redriven"] == 0


async def test_filters_narrow_the_groups(api: Api) -> None:
    await record(
        api,
        failed(queue="webhooks"),
        failed(LOST, failure_class="permanent", completed_at=NOW - timedelta(days=2)),
    )
    async with api.client() as client:
        assert [group["queue"] for group in await groups(client, "queue=webhooks")] == ["webhooks"]
        assert [group["class"] for group in await groups(client, "class=permanent")] == ["permanent"]
        since = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert [group["queue"] for group in await groups(client, f"since={since}")] == ["webhooks"]
        for query in ("class=strange", "class=", "queue=%00", "since=now", "limit=0", "cursor=abc", "x=1"):
            assert (await client.get(f"/dead-letters?{query}")).status_code == 422, query
        for path, status in (
            ("abc", 404),
            ("A" * 32, 404),
            ("0" * 31, 404),
            ("0" * 33, 404),
            ("%00", 404),
            ("redrive", 405),
        ):
            assert (await client.get(f"/dead-letters/{path}")).status_code == status, path


async def test_pages_hold_each_group_once_whatever_fails_meanwhile(api: Api) -> None:
    """All at one second, in several queues: the fingerprint tells them apart."""
    await record(api, *(failed(f"cause {'abcdefg'[number % 7]}", queue=f"q{number % 3}") for number in range(42)))
    async with api.client() as client:
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await client.get(f"/dead-letters?limit=4{cursor}")).json()
            seen += [group["fingerprint"] for group in page["items"]]
            now = datetime.now(UTC)
            await record(api, failed("cause a", queue="q0", completed_at=now), failed("new", completed_at=now))
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"
        assert (len(seen), len(set(seen))) == (21, 21)


async def test_pages_of_a_groups_jobs_hold_each_once(api: Api) -> None:
    made = await record(api, *(failed() for _ in range(5)))
    async with api.client() as client:
        (group,) = await groups(client)
        path = f"/dead-letters/{group['fingerprint']}?limit=2"
        page = (await client.get(path)).json()
        seen = [item["id"] for item in page["items"]]
        while page["nextCursor"]:
            page = (await client.get(f"{path}&cursor={page['nextCursor']}")).json()
            seen += [item["id"] for item in page["items"]]
        assert sorted(seen) == sorted(made)


async def test_a_dead_letter_stays_when_its_analysisjob_is_deleted_and_goes_with_its_row(
    api: Api, history_url: str
) -> None:
    one, other = failed(), failed()
    await record(api, one, other)
    await api.services.records.deleted([one.uid, other.uid])
    async with api.client() as client:
        assert [group["count"] for group in await groups(client)] == [2]
        new_id = await redrive(client, str(one.uid))
        assert (await client.get(f"/analyses/{one.uid}")).json()["retriedBy"] == new_id
        async with History.connect(history_url) as history, history.begin() as connection:
            await connection.execute(text("delete from jobs where id = :id"), {"id": other.uid})
        assert [group["count"] for group in await groups(client)] == [1]


async def test_what_an_older_release_recorded_is_grouped_too(api: Api, history_url: str) -> None:
    await record(api, failed(), failed())
    async with History.connect(history_url) as history, api.client() as client:
        before = await groups(client)
        async with history.begin() as connection:
            await connection.execute(text("update jobs set fingerprint = ''"))
        assert await groups(client) == []
        assert [await fill_in(history), await fill_in(history)] == [2, 0]
        assert await groups(client) == before


async def test_a_hostile_message_is_one_dead_letter_like_any_other(api: Api) -> None:
    hostile = ["\x00\x1b[31m" + "\u202e" * 99, "'" * 5000, "𝕏" * 5000, "a/" * 3000, "", "%(tenant)s :tenant {0}"]
    await record(api, *(failed(message) for message in hostile))
    async with api.client() as client:
        found = await groups(client)
        assert sum(group["count"] for group in found) == len(hostile)
        assert all(len(group["message"]) <= 500 for group in found)


# --- redriving one ---


async def test_a_failed_job_is_redriven_as_a_new_job_that_names_it(api: Api, cluster: MemoryCluster) -> None:
    (job_id,) = await record(api, failed(spec={**SPEC, "priority": 3, "requestedBy": "bob"}))
    async with api.client() as client:
        answer = await client.post(f"/analyses/{job_id}/redrive")
        new_id = answer.json()["id"]
        assert (answer.status_code, answer.headers["location"]) == (201, f"/analyses/{new_id}")
        assert answer.json() == {"id": new_id, "status": "queued", "estimatedDuration": 300}
        made = cluster.objects[analysis_jobs("tenant-acme", new_id)]
        assert made["metadata"]["annotations"] == {ANALYSIS_ID_ANNOTATION: new_id}
        assert made["spec"] == {
            "queue": "analysis", "repository": {"url": "https://git.example.com/a.git"}, "timeout": "5m",
            "priority": 7, "requestedBy": "ada", "retryOf": job_id,
        }  # fmt: skip
        assert (await client.get(f"/analyses/{new_id}")).json()["retryOf"] == job_id
        assert (await client.get(f"/analyses/{job_id}")).json()["retriedBy"] == new_id
        (group,) = await groups(client)
        assert (group["count"], group["redriven"]) == (1, 1)


async def test_a_second_redrive_is_told_who_does_it_already(api: Api) -> None:
    (job_id,) = await record(api, failed())
    async with api.client() as client:
        new_id = await redrive(client, job_id)
        again = await client.post(f"/analyses/{job_id}/redrive")
        told = again.json()
        assert (again.status_code, told["code"], told["retriedBy"]) == (409, "redriven", new_id)
        assert new_id in told["error"]


async def test_of_many_redrives_at_once_one_wins_and_all_learn_its_id(api: Api, cluster: MemoryCluster) -> None:
    (job_id,) = await record(api, failed())
    async with api.client() as client:
        answers = await asyncio.gather(*(client.post(f"/analyses/{job_id}/redrive") for _ in range(12)))
        (won,) = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        assert {answer.json()["retriedBy"] for answer in answers if answer.status_code == 409} == {won}
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert sum(call.method == "POST" for call in cluster.calls) == 1


async def test_a_redriven_job_that_fails_again_is_a_dead_letter_of_its_own(api: Api, cluster: MemoryCluster) -> None:
    (job_id,) = await record(api, failed())
    async with api.client() as client:
        second = await redrive(client, job_id)
        held = cluster.objects[analysis_jobs("tenant-acme", second)]
        await record(api, failed(uid=uuid.UUID(held["metadata"]["uid"]), name=second, spec=held["spec"]))
        assert [(group["count"], group["redriven"]) for group in await groups(client)] == [(2, 1)]
        third = await redrive(client, second)
        shown = (await client.get(f"/analyses/{second}")).json()
        assert (shown["status"], shown["retryOf"], shown["retriedBy"]) == ("failed", job_id, third)
        assert (await client.post(f"/analyses/{job_id}/redrive")).json()["retriedBy"] == second


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.FAILED])
async def test_only_a_job_that_ended_failed_can_be_redriven(api: Api, phase: Phase) -> None:
    (job_id,) = await record(api, failed(phase=phase))
    async with api.client() as client:
        answer = await client.post(f"/analyses/{job_id}/redrive")
        assert (answer.status_code, answer.json()["code"]) == (409, "not-redrivable")
        assert phase.lower() in answer.json()["error"]


async def test_a_job_that_can_not_be_carried_out_is_not_redriven(api: Api) -> None:
    (job_id,) = await record(api, failed(reason="Invalid", spec={"queue": "analysis"}))
    async with api.client() as client:
        answer = await client.post(f"/analyses/{job_id}/redrive")
        assert (answer.status_code, "corrected manifest" in answer.json()["error"]) == (409, True)
        done = (await client.post("/dead-letters/redrive", json={"limit": 5})).json()
        assert (done["redriven"], done["skipped"]) == (0, 1)


async def test_a_retry_that_was_cancelled_leaves_the_job_open(api: Api) -> None:
    (job_id,) = await record(api, failed())
    async with api.client() as client:
        first = await redrive(client, job_id)
        assert (await client.delete(f"/analyses/{first}")).json() == {"status": "cancelled"}
        assert (await client.get(f"/analyses/{job_id}")).json()["retriedBy"] is None
        assert await redrive(client, job_id) != first


async def test_a_retry_by_a_manifest_counts_unless_it_was_refused(api: Api) -> None:
    refused, running = failed(), failed()
    await record(api, refused, running)
    retry = failed(phase=Phase.RUNNING, retry_of=running.uid)
    await record(api, retry, failed(reason="Invalid", retry_of=refused.uid))
    async with api.client() as client:
        again = await client.post(f"/analyses/{running.uid}/redrive")
        assert (again.status_code, again.json()["retriedBy"]) == (409, str(retry.uid))
        assert (await client.get(f"/analyses/{running.uid}")).json()["retriedBy"] == str(retry.uid)
        assert (await client.get(f"/analyses/{retry.uid}")).json()["retryOf"] == str(running.uid)
        await redrive(client, str(refused.uid))


async def test_another_tenants_manifest_that_names_a_job_changes_nothing_of_it(api: Api) -> None:
    (job_id,) = await record(api, failed())
    await record(api, failed(tenant="other", namespace="tenant-other", retry_of=uuid.UUID(job_id), phase=Phase.RUNNING))
    async with api.client() as client:
        assert (await client.get(f"/analyses/{job_id}")).json()["retriedBy"] is None
        assert (await groups(client))[0]["redriven"] == 0
        await redrive(client, job_id)


async def test_a_namespace_that_is_no_longer_the_tenants_takes_no_redriven_job(
    api: Api, cluster: MemoryCluster
) -> None:
    (job_id,) = await record(api, failed(namespace="tenant-other"))
    async with api.client() as client:
        answer = await client.post(f"/analyses/{job_id}/redrive")
        assert (answer.status_code, "no longer this tenant's" in answer.json()["error"]) == (409, True)
        assert (await client.post("/dead-letters/redrive", json={"limit": 9})).json()["skipped"] == 1
    assert not any(call.method == "POST" for call in cluster.calls)


async def test_what_the_cluster_refuses_at_once_is_told_and_leaves_the_job_open(
    api: Api, cluster: MemoryCluster
) -> None:
    (job_id,) = await record(api, failed())
    cluster.refusal = Refused(422, "Invalid", "spec.timeout: above the queue's")
    async with api.client() as client:
        answer = await client.post(f"/analyses/{job_id}/redrive")
        assert (answer.status_code, "above the queue's" in answer.json()["error"]) == (422, True)
        cluster.refusal = None
        await redrive(client, job_id)


async def test_a_job_of_another_queue_keeps_its_queue_and_kind(api: Api, history_url: str) -> None:
    await record(api, failed(queue="webhooks", kind="webhook", spec={**SPEC, "queue": "webhooks"}))
    async with api.client() as client, History.connect(history_url) as history:
        (group,) = await groups(client)
        new_id = await redrive(client, group["example"]["id"])
        async with history.begin() as connection:
            row = (await connection.execute(text("select queue, kind from jobs where id = :id"), {"id": new_id})).one()
        assert tuple(row) == ("webhooks", "webhook")


# --- redriving a group ---


async def test_a_group_is_redriven_at_the_bounded_rate_and_says_when_each_goes(
    settings: Settings, cluster: MemoryCluster, signer: Signer
) -> None:
    async with another_api(settings, cluster, signer, rate=0.01) as api, api.client() as client:
        await record(api, *(failed() for _ in range(4)))
        await record(api, failed(LOST))
        slow = next(group for group in await groups(client) if group["count"] == 4)
        answer = await client.post(f"/dead-letters/{slow['fingerprint']}/redrive", json={"limit": 3})
        done = answer.json()
        assert (answer.status_code, done["redriven"], done["skipped"], done["left"]) == (202, 3, 0, 1)
        rest = (await client.post("/dead-letters/redrive", json={"limit": 100})).json()
        assert (rest["redriven"], rest["skipped"], rest["left"]) == (2, 3, 0)
        waited = datetime.fromisoformat(rest["lastAt"]) - datetime.fromisoformat(done["lastAt"])
        assert waited == timedelta(seconds=200), "the second group goes behind the first"

        async def all_but_one_wait() -> list[Any] | None:
            queued: list[Any] = (await client.get("/analyses?status=queued")).json()["items"]
            assert len(queued) == 5
            return queued if sum("goes to the cluster at" in item["message"] for item in queued) == 4 else None

        queued = await eventually(all_but_one_wait, what="the first has gone to the cluster")
        assert sum(call.method == "POST" for call in cluster.calls) == 1
        gone = await client.delete(f"/analyses/{queued[0]['id']}")
        assert gone.json() == {"status": "cancelled"}


async def test_redriven_jobs_reach_the_cluster_one_by_one(
    settings: Settings, cluster: MemoryCluster, signer: Signer
) -> None:
    async with another_api(settings, cluster, signer, rate=20) as api, api.client() as client:
        origins = await record(api, *(failed() for _ in range(30)))
        done = (await client.post("/dead-letters/redrive", json={"limit": 30})).json()
        assert done["redriven"] == 30

        async def all_sent() -> bool:
            return sum(call.method == "POST" for call in cluster.calls) == 30

        await eventually(all_sent)
        specs = [call.body["spec"] for call in cluster.calls if isinstance(call.body, dict) and call.method == "POST"]
        assert sorted(spec["retryOf"] for spec in specs) == sorted(origins)


async def test_after_an_outage_the_rate_is_kept(settings: Settings, cluster: MemoryCluster, signer: Signer) -> None:
    async with another_api(settings, cluster, signer, rate=10) as api, api.client() as client:
        await record(api, *(failed() for _ in range(10)))
        await groups(client)
        cluster.away = True
        last = (await client.post("/dead-letters/redrive", json={"limit": 10})).json()["lastAt"]

        async def due() -> bool:
            return datetime.now(UTC) > datetime.fromisoformat(last)

        await eventually(due)
        cluster.away = False
        began = asyncio.get_running_loop().time()

        async def all_sent() -> bool:
            return sum("retryOf" in raw.get("spec", {}) for raw in cluster.objects.values()) == 10

        await eventually(all_sent)
        assert asyncio.get_running_loop().time() - began > 0.85, "ten of them take nine gaps of a tenth"


async def test_a_group_redriven_twice_at_once_is_redriven_once(api: Api, history_url: str) -> None:
    await record(api, *(failed() for _ in range(40)))
    async with api.client() as client, History.connect(history_url) as history:
        (group,) = await groups(client)
        path = f"/dead-letters/{group['fingerprint']}/redrive"
        asked = [client.post(path, json={"limit": 40}) for _ in range(3)]
        asked += [client.post("/dead-letters/redrive", json={"limit": 25}) for _ in range(3)]
        answers = [answer.json() for answer in await asyncio.gather(*asked)]
        assert sum(answer["redriven"] for answer in answers) == 40
        assert all(sum(answer[key] for key in ("redriven", "skipped", "left")) == 40 for answer in answers)
        async with history.begin() as connection:
            told = await connection.execute(text("select count(*), count(distinct retry_of) from jobs where submitted"))
        assert tuple(told.one()) == (40, 40)


async def test_jobs_redriven_one_by_one_while_their_group_is(api: Api) -> None:
    made = await record(api, *(failed() for _ in range(12)))
    async with api.client() as client:
        asked = [client.post(f"/analyses/{job_id}/redrive") for job_id in made]
        asked.insert(4, client.post("/dead-letters/redrive", json={"limit": 100}))
        answers = await asyncio.gather(*asked)
        alone = sum(answer.status_code == 201 for answer in answers)
        together = answers[4].json()
        assert alone + together["redriven"] == 12
        assert together["redriven"] + together["skipped"] == 12
        shown = [(await client.get(f"/analyses/{job_id}")).json()["retriedBy"] for job_id in made]
        assert len({new_id for new_id in shown if new_id}) == 12


async def test_what_the_cluster_refuses_later_ends_failed_and_is_a_dead_letter(
    settings: Settings, cluster: MemoryCluster, signer: Signer
) -> None:
    async with another_api(settings, cluster, signer, rate=50) as api, api.client() as client:
        await record(api, failed(), failed())
        cluster.refusal = Refused(422, "Invalid", "spec.timeout: above the queue's")
        await client.post("/dead-letters/redrive", json={"limit": 2})

        async def refused() -> list[dict[str, Any]]:
            return [group for group in await groups(client) if group["reason"] == "Refused"]

        (group,) = await eventually(refused)
        assert ("above the queue" in group["message"], group["class"]) == (True, "permanent")


@pytest.mark.parametrize(
    "body", [{}, {"limit": 0}, {"limit": 10_001}, {"limit": True}, {"limit": "5"}, {"limit": 1, "x": 1}, [], None]
)
async def test_nobody_redrives_without_saying_how_many(api: Api, body: Any) -> None:
    await record(api, failed())
    async with api.client() as client:
        (group,) = await groups(client)
        for path in ("/dead-letters/redrive", f"/dead-letters/{group['fingerprint']}/redrive"):
            assert (await client.post(path, json=body)).status_code == 422
        assert (await groups(client))[0]["redriven"] == 0


async def test_all_of_one_queue_or_class_are_redriven_alone(api: Api) -> None:
    await record(api, failed(queue="webhooks"), failed(failure_class="permanent"), failed())
    async with api.client() as client:
        body = {"limit": 10, "queue": "webhooks"}
        assert (await client.post("/dead-letters/redrive", json=body)).json()["redriven"] == 1
        body = {"limit": 10, "class": "permanent"}
        assert (await client.post("/dead-letters/redrive", json=body)).json()["redriven"] == 1
        assert sorted(group["redriven"] for group in await groups(client)) == [0, 1, 1]

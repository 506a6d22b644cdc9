"""Failed jobs are grouped by their cause, listed in pages, and kept."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from forge_core.fingerprints import normalised
from forge_core.history.causes import fill_in
from forge_core.history.database import History
from forge_core.phase import Phase
from tests.builders.api import Api
from tests.builders.dead_letters import LOST, NOW, SLOW, failed, groups, record, redrive

pytestmark = pytest.mark.anyio


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

"""Groups of failed jobs are done again at a bounded rate, and each job once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from forge_api.settings import Settings
from forge_core.cluster import Refused
from forge_core.history.database import History
from tests.builders.api import Api, MemoryCluster, Signer, running_api
from tests.builders.dead_letters import LOST, failed, groups, record
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def another_api(settings: Settings, cluster: MemoryCluster, signer: Signer, rate: float) -> AsyncIterator[Api]:
    """A replica with another rate."""
    changed = settings.model_copy(update={"redrives_per_second": rate})
    async with running_api(changed, cluster, signer) as api:
        yield api


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

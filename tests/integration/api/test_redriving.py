"""A failed job is done again by a new one, once."""

import asyncio
import uuid

import pytest
from sqlalchemy import text

from forge_core.cluster import Refused, analysis_jobs
from forge_core.history.database import History
from forge_core.names import ANALYSIS_ID_ANNOTATION
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.builders.dead_letters import SPEC, failed, groups, record, redrive

pytestmark = pytest.mark.anyio


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

"""Attempts: drawn from one budget, fenced, repeatable, over with their job."""

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from forge_core.attempts import MAX_REFUNDS
from forge_core.exits import FailureClass
from forge_core.history.attempts import UNSAVED, WITHOUT_A_WORD
from forge_core.history.records import PodEnd
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.builders.runner_calls import SARIF, claim, commit, recorded, reference, upload
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
SUMMARY = {"score": {"grade": "B"}, "recommendations": [{"do": "this"}]}


async def test_an_attempt_is_claimed_filled_committed_and_shown_once_the_job_is_completed(
    api: Api, cluster: MemoryCluster
) -> None:
    job = cluster.job("tenant-acme", "sample", phase="Running")
    pod = cluster.pod("tenant-acme", job)
    await api.services.records.write([recorded(job, Phase.RUNNING)])
    assert (await claim(api, pod)).json() == {"attempt": 1, "attempts": 3}
    assert (await upload(api, pod, 1, "report.sarif", SARIF)).status_code == 204
    assert (await upload(api, pod, 1, "log", b"cloning\n", **{"Content-Type": "text/plain"})).status_code == 204
    outcome = {"summary": SUMMARY, "artifacts": [reference("report.sarif", SARIF)]}
    assert (await commit(api, pod, 1, **outcome)).status_code == 204
    path = f"/analyses/{job['metadata']['uid']}"
    async with api.client() as client:
        provisional = await client.get(f"{path}/results")
        assert (provisional.status_code, provisional.json()["code"]) == (409, "not-completed")
        await api.services.records.write([recorded(job, Phase.COMPLETED)])
        results = (await client.get(f"{path}/results")).json()
        assert (results["summary"], results["attempt"]) == (SUMMARY, 1)
        assert [item["name"] for item in results["artifacts"]] == ["log", "report.sarif"]
        for encoding in ("gzip", "identity"):
            sarif = await client.get(f"{path}/sarif", headers={"Accept-Encoding": encoding})
            assert sarif.json()["version"] == "2.1.0"
            assert sarif.headers.get("content-encoding", "identity") == encoding
            assert sarif.headers["content-type"] == "application/sarif+json"
        assert (await client.get(f"{path}/logs")).text == "cloning\n"
        assert (await client.get(results["artifacts"][1]["url"])).content == SARIF
        (listed,) = (await client.get("/analyses")).json()["items"]
        assert listed["summary"] == (await client.get(path)).json()["summary"] == {"score": SUMMARY["score"]}


async def test_each_call_may_be_repeated(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    for _ in range(2):
        assert (await claim(api, pod)).json() == {"attempt": 1, "attempts": 3}
    for _ in range(2):
        assert (await upload(api, pod, 1, "a", SARIF)).status_code == 204
    for _ in range(2):
        assert (await commit(api, pod, 1, artifacts=[reference("a", SARIF)])).status_code == 204


async def test_a_success_may_be_repeated_after_the_job_is_completed(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    await commit(api, pod, 1)
    await api.services.records.write([recorded(job, Phase.COMPLETED)])
    assert (await commit(api, pod, 1)).status_code == 204
    late = await upload(api, pod, 1, "late", SARIF)
    assert (late.status_code, late.json()["code"]) == (409, "fenced")


@pytest.mark.parametrize("attempts", [1, 3])
async def test_once_an_attempt_has_succeeded_its_pods_successor_is_told_so(
    api: Api, cluster: MemoryCluster, attempts: int
) -> None:
    job = cluster.job("tenant-acme", "sample")
    lost, successor = (cluster.pod("tenant-acme", job, attempts=attempts) for _ in range(2))
    await claim(api, lost)
    await commit(api, lost, 1)
    cluster.disrupt(lost)
    for number in (1, 1, 2):
        answer = await claim(api, successor, number)
        assert (answer.status_code, answer.json()["code"]) == (409, "done")
    assert answer.json()["detail"] == "Attempt 1 has succeeded, and its result is stored."
    assert (await upload(api, successor, 2, "late", SARIF)).json()["code"] == "fenced"
    await api.services.records.write([recorded(job, Phase.CANCELLING)])
    assert (await claim(api, successor)).json()["code"] == "fenced"


async def test_attempts_of_all_pods_are_drawn_from_one_budget(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    first, second = cluster.pod("tenant-acme", job), cluster.pod("tenant-acme", job)
    assert (await claim(api, first, 1)).json()["attempt"] == 1
    await commit(api, first, 1, status="failed", message="the first", failure_class="transient")
    assert (await claim(api, first, 2)).json()["attempt"] == 2
    assert (await claim(api, second, 1)).json()["attempt"] == 3
    await commit(api, second, 3, status="failed", message="no route to host", failure_class="transient")
    spent = await claim(api, second, 2)
    assert (spent.status_code, spent.json()["code"]) == (409, "exhausted")
    assert spent.json()["detail"] == "no route to host"


async def test_claims_at_the_same_moment_never_draw_the_same_attempt(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pods = [cluster.pod("tenant-acme", job, attempts=5) for _ in range(12)]
    answers = await asyncio.gather(*(claim(api, pod) for pod in pods))
    drawn = sorted(answer.json()["attempt"] for answer in answers if answer.status_code == 200)
    assert drawn == [1, 2, 3, 4, 5]
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {"exhausted"}


async def test_a_disruption_is_refunded_at_the_claim_that_would_find_the_budget_spent(
    api: Api, cluster: MemoryCluster
) -> None:
    job = cluster.job("tenant-acme", "sample")
    evicted = cluster.pod("tenant-acme", job, attempts=1)
    await claim(api, evicted)
    cluster.disrupt(evicted)
    successor = cluster.pod("tenant-acme", job, attempts=1)
    assert (await claim(api, successor)).json() == {"attempt": 2, "attempts": 1}
    third = await claim(api, cluster.pod("tenant-acme", job, attempts=1))
    assert third.json()["code"] == "exhausted"


async def test_disruptions_are_refunded_ten_times_and_then_charged(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    for number in range(1, MAX_REFUNDS + 2):
        pod = cluster.pod("tenant-acme", job, attempts=1)
        assert (await claim(api, pod)).json()["attempt"] == number
        cluster.disrupt(pod)
    assert (await claim(api, cluster.pod("tenant-acme", job, attempts=1))).status_code == 409


async def test_a_refund_that_the_operator_wrote_counts(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    evicted = cluster.pod("tenant-acme", job, attempts=1)
    await claim(api, evicted)
    end = PodEnd(
        uuid.UUID(evicted.uid), uuid.UUID(job["metadata"]["uid"]), FailureClass.DISRUPTION, "Evicted.", None,
        "EvictionByEvictionAPI",
    )  # fmt: skip
    await api.services.records.pods_ended([end])
    assert (await claim(api, cluster.pod("tenant-acme", job, attempts=1))).json()["attempt"] == 2


async def test_a_pod_whose_attempt_was_superseded_is_fenced_in_every_call(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    lost, successor = cluster.pod("tenant-acme", job), cluster.pod("tenant-acme", job)
    await claim(api, lost)
    await claim(api, successor)
    for answer in (
        await claim(api, lost, 2),
        await upload(api, lost, 1, "a", SARIF),
        await commit(api, lost, 1),
        await upload(api, lost, 2, "a", SARIF),
        await commit(api, lost, 2),
        await commit(api, lost, 99),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "fenced")
    assert (await commit(api, successor, 2)).status_code == 204


async def test_an_attempt_that_nobody_ended_has_a_class_once_it_is_superseded(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    first, second = cluster.pod("tenant-acme", job), cluster.pod("tenant-acme", job)
    await claim(api, first)
    await claim(api, first, 2)
    await claim(api, second)
    uid = job["metadata"]["uid"]
    found = await attempts_of(api, uid)
    assert [(row.failure_class, row.message) for row in found[:2]] == [
        ("transient", UNSAVED),
        ("transient", WITHOUT_A_WORD),
    ]
    memory = PodEnd(
        uuid.UUID(first.uid), uuid.UUID(uid), FailureClass.OUT_OF_MEMORY, "Out of memory.", datetime.now(UTC)
    )
    await api.services.records.pods_ended([memory])
    found = await attempts_of(api, uid)
    assert [row.failure_class for row in found] == ["transient", "out-of-memory", ""], "the operator's word came late"


async def test_what_failed_by_itself_before_a_disruption_stays_charged(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    evicted, successor = (cluster.pod("tenant-acme", job, attempts=2) for _ in range(2))
    await claim(api, evicted)
    await commit(api, evicted, 1, status="failed", message="no", failure_class="transient", stage="cloning")
    await claim(api, evicted, 2)
    cluster.disrupt(evicted)
    assert (await claim(api, successor)).json()["attempt"] == 3, "the second one is refunded"
    await commit(api, successor, 3, status="failed", message="no", failure_class="transient", stage="cloning")
    assert (await claim(api, successor, 2)).json()["code"] == "exhausted", "the first one is not"
    assert [row.refunded for row in await attempts_of(api, job["metadata"]["uid"])] == [False, True, False]


async def attempts_of(api: Api, uid: str) -> list[Any]:
    statement = text("select failure_class, message, refunded from attempts where job_uid = :uid order by number")
    async with api.services.records._history.begin() as connection:
        return list(await connection.execute(statement, {"uid": uid}))


@pytest.mark.parametrize("phase", [Phase.CANCELLED, Phase.FAILED, Phase.COMPLETED])
async def test_nothing_is_taken_for_a_job_that_is_over(api: Api, cluster: MemoryCluster, phase: Phase) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    await api.services.records.write([recorded(job, phase)])
    for answer in (await claim(api, pod, 2), await upload(api, pod, 1, "a", SARIF), await commit(api, pod, 1)):
        assert (answer.status_code, answer.json()["code"]) == (409, "fenced")


async def test_a_job_that_is_being_cancelled_takes_no_result_but_hears_how_it_failed(
    api: Api, cluster: MemoryCluster
) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    await api.services.records.write([recorded(job, Phase.CANCELLING)])
    late = await commit(api, pod, 1)
    assert (late.status_code, late.json()["code"]) == (409, "fenced")
    assert (await commit(api, pod, 1, status="failed", failure_class="disruption")).status_code == 204


async def test_metrics_are_labelled_by_route_and_never_by_job(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    async with api.client() as client:
        await client.get(f"/analyses/{job['metadata']['uid']}")
        await client.get(f"/nothing/{uuid.uuid4()}")

    async def counted() -> str:
        """What is shown once the last request is in it: an answer is counted after it was sent."""
        async with api.runner(pod.token) as client:
            text = (await client.get("/metrics")).text
        return text if 'route="unmatched",status="404"' in text else ""

    text = await eventually(counted, what="the last request is counted")
    assert 'route="/analyses/{job_id}",status="404"' in text
    assert 'forge_api_claims_total{answer="claimed"} 1.0' in text
    assert job["metadata"]["uid"] not in text
    assert json.dumps(text).count("/nothing") == 0

"""What runners do: claim, upload, commit; fenced, bounded, repeatable, whole or not at all."""

import asyncio
import base64
import gzip
import hashlib
import itertools
import json
import socket
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_core.attempts import MAX_ARTIFACT_BYTES, MAX_REFUNDS
from forge_core.exits import FailureClass
from forge_core.history.attempts import UNSAVED, WITHOUT_A_WORD
from forge_core.history.records import JobRecord, PodEnd
from forge_core.resource import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
VERSIONS = itertools.count()
SUMMARY = {"score": {"grade": "B"}, "recommendations": [{"do": "this"}]}
SARIF = b'{"version": "2.1.0", "runs": []}'


async def claim(api: Api, pod: RunnerPod, number: int = 1) -> httpx2.Response:
    async with api.runner(pod.token) as client:
        return await client.post("/internal/v1/attempts", json={"number_in_pod": number})


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


async def upload(api: Api, pod: RunnerPod, attempt: int, name: str, body: bytes, **headers: str) -> httpx2.Response:
    given = {"Content-Type": "application/sarif+json", "Content-Digest": digest(body)}
    async with api.runner(pod.token) as client:
        path = f"/internal/v1/attempts/{attempt}/artifacts/{name}"
        return await client.put(path, content=body, headers={**given, **headers})


def reference(name: str, body: bytes) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}


async def commit(api: Api, pod: RunnerPod, attempt: int, **outcome: Any) -> httpx2.Response:
    async with api.runner(pod.token) as client:
        given = {"status": "succeeded", **outcome}
        return await client.put(f"/internal/v1/attempts/{attempt}/outcome", json=given)


def recorded(job: dict[str, Any], phase: Phase) -> JobRecord:
    return JobRecord(
        uid=uuid.UUID(job["metadata"]["uid"]),
        resource_version=1000 + next(VERSIONS),
        tenant="acme",
        namespace="tenant-acme",
        name=job["metadata"]["name"],
        queue="analysis",
        kind="analysis",
        spec={},
        priority=1,
        phase=phase,
        created_at=datetime.now(UTC),
    )


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


async def test_an_outcome_whose_artefacts_are_not_there_is_refused(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    await upload(api, pod, 1, "a", SARIF)
    for missing in (reference("b", SARIF), reference("a", b"other"), {**reference("a", SARIF), "size": 1}):
        assert (await commit(api, pod, 1, artifacts=[missing])).status_code == 422
    assert (await commit(api, pod, 1, artifacts=[reference("a", SARIF)])).status_code == 204


@pytest.mark.parametrize("summary", ['{"a": NaN}', '{"a": "\\ud800"}', '{"a": "' + "x" * 300_000 + '"}'])
async def test_a_hostile_summary_is_refused(api: Api, cluster: MemoryCluster, summary: str) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    async with api.runner(pod.token) as client:
        body = f'{{"status": "succeeded", "summary": {summary}}}'
        headers = {"Content-Type": "application/json"}
        answer = await client.put("/internal/v1/attempts/1/outcome", content=body, headers=headers)
        assert answer.status_code in {413, 422}


async def test_nul_in_a_summary_is_stripped(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    assert (await commit(api, pod, 1, summary={"a": "b\x00c"}, message="x\x00y")).status_code == 204
    uid = uuid.UUID(job["metadata"]["uid"])
    assert (await api.services.records.summaries([uid]))[uid] == {"a": "bc"}


async def test_an_upload_that_is_not_what_it_says_leaves_nothing(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    wrong = {
        "another digest": {"Content-Digest": digest(b"other")},
        "no digest": {"Content-Digest": ""},
        "a weak digest alone": {"Content-Digest": "md5=:AAAA:"},
        "a media type that is none": {"Content-Type": "x"},
    }
    for what, headers in wrong.items():
        assert (await upload(api, pod, 1, "a", SARIF, **headers)).status_code == 422, what
    assert (await upload(api, pod, 1, "a", gzip.compress(SARIF), **{"Content-Encoding": "gzip"})).status_code == 415
    for name in ("..", "A", "a/b", "a" * 64, "%2e%2e"):
        assert (await upload(api, pod, 1, name, SARIF)).status_code in {404, 422}, name
    assert await api.services.queries.file(uuid.UUID(job["metadata"]["uid"]), "a") is None


async def test_an_upload_without_a_length_or_over_the_limit_is_refused_unread(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)

    async def pieces() -> Any:
        yield SARIF

    async with api.runner(pod.token) as client:
        headers = {"Content-Digest": digest(SARIF), "Content-Type": "a/b"}
        answer = await client.put("/internal/v1/attempts/1/artifacts/a", content=pieces(), headers=headers)
        assert answer.status_code == 411
    said = await asyncio.to_thread(_declare, api, pod, MAX_ARTIFACT_BYTES + 1)
    assert b" 413 " in said.split(b"\r\n")[0]


def _declare(api: Api, pod: RunnerPod, length: int) -> bytes:
    """Declare a length, send a little, and take what the server says."""
    with _opened(api, pod, length, b"x") as line:
        return line.recv(4096)


def _opened(api: Api, pod: RunnerPod, length: int, sent: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(api.internal.rsplit(":", 1)[1])), timeout=120)
    head = (
        f"PUT /internal/v1/attempts/1/artifacts/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {pod.token}\r\n"
        f"Content-Type: a/b\r\nContent-Digest: {digest(SARIF * 1000)}\r\nContent-Length: {length}\r\n\r\n"
    )
    line.sendall(head.encode() + sent)
    return line


@pytest.mark.parametrize("reset", [False, True])
async def test_an_upload_that_is_cut_in_the_middle_leaves_nothing(
    api: Api, cluster: MemoryCluster, reset: bool
) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    whole = SARIF * 1000
    line = await asyncio.to_thread(_opened, api, pod, len(whole), whole[: len(whole) // 2])
    if reset:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    line.close()

    async def answered() -> bool:
        async with api.runner(pod.token) as client:
            text = (await client.get("/metrics")).text
            return any("artifacts" in row and 'status="422"' in row for row in text.splitlines())

    await eventually(answered, what="the cut upload was noticed")
    assert await api.services.queries.file(uuid.UUID(job["metadata"]["uid"]), "cut") is None
    assert (await upload(api, pod, 1, "cut", whole)).status_code == 204


async def test_a_large_artefact_comes_back_as_it_was(api: Api, cluster: MemoryCluster) -> None:
    job = cluster.job("tenant-acme", "sample")
    pod = cluster.pod("tenant-acme", job)
    await claim(api, pod)
    body = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(300_000))
    assert (await upload(api, pod, 1, "large", body)).status_code == 204
    await commit(api, pod, 1, artifacts=[reference("large", body)])
    await api.services.records.write([recorded(job, Phase.COMPLETED)])
    async with api.client() as client:
        for encoding in ("gzip", "identity"):
            path = f"/analyses/{job['metadata']['uid']}/artifacts/large"
            answer = await client.get(path, headers={"Accept-Encoding": encoding})
            assert hashlib.sha256(answer.content).digest() == hashlib.sha256(body).digest()


async def test_at_most_sixteen_artefacts_are_kept(api: Api, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "sample"))
    await claim(api, pod)
    answers = [(await upload(api, pod, 1, f"a{n}", SARIF)).status_code for n in range(17)]
    assert answers == [204] * 16 + [422]


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

"""Jobs of any queue: submitted, refused, and seen under both names in the same shapes; real servers and PostgreSQL."""

import uuid
from typing import Any

import httpx2
import pytest

from forge_api.app import ROOTS
from forge_core.cluster import Refused, analysis_jobs, job_queues
from forge_core.history.database import History
from forge_core.names import SYSTEM_LABEL
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.integration.api.test_analyses import URL, record, register
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
SYSTEM = {"matchLabels": {SYSTEM_LABEL: "true"}}


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.tenant("acme", "tenant-acme")
    cluster.tenant("other", "tenant-other")
    cluster.tenant("system", "forge-system", **{SYSTEM_LABEL: "true"})
    cluster.queue("analysis")
    cluster.queue("slow", "analysis", defaultPriority=7)
    cluster.queue("cleanup", namespaceSelector=SYSTEM)
    return cluster


async def submit(client: httpx2.AsyncClient, queue: str = "analysis", **body: Any) -> httpx2.Response:
    return await client.post("/jobs", json={"queue": queue, **body})


async def test_a_job_of_any_queue_becomes_an_analysisjob(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        repository = await register(client)
        answer = await submit(client, "slow", repositoryId=repository, config={"paths": ["src"]})
        job_id = answer.json()["id"]
        assert (answer.status_code, answer.headers["location"]) == (201, f"/jobs/{job_id}")
        assert answer.json() == {"id": job_id, "status": "queued", "estimatedDuration": 300}
        shown = (await client.get(answer.headers["location"])).json()
        assert (shown["queue"], shown["priority"]) == ("slow", 7)
    assert cluster.objects[analysis_jobs("tenant-acme", job_id)]["spec"] == {
        "queue": "slow",
        "priority": 7,
        "repository": {"url": URL, "ref": "main", "credentialsSecretRef": {"name": "git"}},
        "repositoryId": repository,
        "requestedBy": "ada",
        "config": {"paths": ["src"]},
    }


async def test_both_names_show_the_same_job(api: Api) -> None:
    async with api.client() as client:
        made = [(await submit(client, queue)).json()["id"] for queue in ("analysis", "slow")]
        for job_id in made:
            for path in (f"/{job_id}", f"/{job_id}/timeline", "", "?queue=slow"):
                answers = [(await client.get(f"{root}{path}")).json() for root in ROOTS]
                assert answers[0] == answers[1], path
        assert [item["id"] for item in (await client.get("/jobs?queue=slow")).json()["items"]] == made[1:]
        assert (await client.delete(f"/jobs/{made[1]}")).json() == {"status": "cancelled"}
        assert (await client.get(f"/analyses/{made[1]}")).json()["status"] == "cancelled"


async def test_a_failed_job_is_redriven_under_the_name_that_was_asked(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = (await submit(client, "slow", repositoryId=await register(client))).json()["id"]
        await api.services.records.write([record(cluster, job_id, Phase.FAILED, queue="slow")])
        answer = await client.post(f"/jobs/{job_id}/redrive")
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"


async def test_a_clean_up_is_for_the_system_tenant_only(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client, api.client("system") as system:
        refused = await submit(client, "cleanup", config={"task": "aggregate-usage"})
        assert (refused.status_code, refused.json()["code"]) == (403, "queue-not-served")
        assert "tenant-acme" in refused.json()["error"]
        assert (await client.get("/jobs")).json()["items"] == []
        made = (await submit(system, "cleanup", config={"task": "aggregate-usage"})).json()["id"]
        assert cluster.objects[analysis_jobs("forge-system", made)]["spec"]["queue"] == "cleanup"
        for root in ROOTS:
            assert (await client.get(f"{root}/{made}")).status_code == 404


async def test_a_queue_that_is_not_there_or_can_not_be_used_is_refused(api: Api, cluster: MemoryCluster) -> None:
    cluster.put(job_queues("broken"), {"spec": {"jobType": "analysis"}})
    cluster.queue("odd", namespaceSelector={"matchExpressions": []})
    async with api.client() as client:
        for queue, status, sentence in (
            ("nowhere", 404, "Queue not found"),
            ("../analysis", 404, "Queue not found"),
            ("broken", 409, "concurrency"),
            ("odd", 403, "does not serve"),
        ):
            answer = await submit(client, queue)
            assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), queue
            assert answer.headers["content-type"] == "application/problem+json"


async def test_another_tenants_repository_is_a_404(api: Api) -> None:
    async with api.client() as client, api.client("other") as other:
        for repository in (await register(other), str(uuid.uuid4())):
            answer = await submit(client, repositoryId=repository)
            assert (answer.status_code, answer.json()["error"]) == (404, "Repository not found")


async def test_what_the_cluster_refuses_is_told_and_leaves_no_job(api: Api, cluster: MemoryCluster) -> None:
    cluster.refusal = Refused(422, "Invalid", "jobs of queue analysis work on a repository: add spec.repository.url")
    async with api.client() as client:
        answer = await submit(client)
        assert (answer.status_code, answer.json()["code"]) == (422, "refused")
        assert (await client.get("/jobs")).json()["items"] == []


async def test_a_known_queue_takes_jobs_while_the_cluster_is_away_and_an_unknown_one_waits(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        assert (await client.get("/jobs")).status_code == 200  # the tenant is known from here on, and no queue yet
        cluster.away = True
        assert (await submit(client)).status_code == 503
        cluster.away = False
        assert (await submit(client)).status_code == 201
        cluster.away = True
        assert (await submit(client)).status_code == 201


async def test_a_clean_up_that_is_refused_later_makes_no_event(
    api: Api, cluster: MemoryCluster, history_url: str
) -> None:
    """The kind is in the row from its acceptance on: a delivery's or a clean-up's end is nobody's event."""
    async with api.client("system") as system:
        await submit(system, "cleanup")
        cluster.away = True
        job_id = (await submit(system, "cleanup")).json()["id"]
        cluster.refusal = Refused(422, "Invalid", "spec.config.task: Required value")
        cluster.away = False

        async def failed() -> bool:
            return bool((await system.get(f"/jobs/{job_id}")).json()["status"] == "failed")

        await eventually(failed)
    async with History.connect(history_url) as history, history.begin() as connection:
        written = (await connection.exec_driver_sql("select type from outbox")).all()
    assert written == []


HOSTILE: list[tuple[str, bytes, int]] = [
    ("no queue", b"{}", 422),
    ("an empty queue", b'{"queue":""}', 422),
    ("a queue with a NUL", b'{"queue":"a\\u0000"}', 422),
    ("a queue with a line break", b'{"queue":"analysis\\nx"}', 422),
    ("a long queue", b'{"queue":"%s"}' % (b"a" * 64), 422),
    ("a queue that is a list", b'{"queue":["analysis"]}', 422),
    ("a field that is none", b'{"queue":"analysis","cancel":true}', 422),
    ("a pod of one's own", b'{"queue":"analysis","image":"evil"}', 422),
    ("somebody else's name", b'{"queue":"analysis","requestedBy":"root"}', 422),
    ("a namespace", b'{"queue":"analysis","namespace":"forge-system"}', 422),
    ("priority 0", b'{"queue":"analysis","priority":0}', 422),
    ("priority 1001", b'{"queue":"analysis","priority":1001}', 422),
    ("a priority that is true", b'{"queue":"analysis","priority":true}', 422),
    ("a huge priority", b'{"queue":"analysis","priority":%s}' % (b"9" * 400), 422),
    ("no UUID", b'{"queue":"analysis","repositoryId":"../x"}', 422),
    ("a config over 16 KiB", b'{"queue":"analysis","config":{"a":"%s"}}' % (b"x" * 20000), 422),
    ("a lone surrogate", b'{"queue":"analysis","config":{"a":"\\ud800"}}', 422),
    ("endless depth", b'{"queue":"analysis","config":{"a":' + b"[" * 30000 + b"]" * 30000 + b"}}", 400),
    ("a body of 1 MB", b" " * 1_000_000, 413),
]


async def test_a_hostile_body_is_a_problem_and_makes_no_job(api: Api) -> None:
    async with api.client() as client:
        for what, body, status in HOSTILE:
            answer = await client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), what
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
            answer = await client.post("/jobs", content=b'{"queue":"analysis"}', headers={"Content-Type": kind})
            assert answer.status_code == 422, kind
        assert (await client.get("/jobs")).json()["items"] == []

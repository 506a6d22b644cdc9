"""Submitting, listing, reading, cancelling: real servers and PostgreSQL."""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from forge_core.cluster import Refused, analysis_jobs
from forge_core.history.records import JobRecord
from forge_core.messages import ProgressMessage
from forge_core.names import ANALYSIS_ID_ANNOTATION
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
URL = "https://git.example.com/team/project.git"


async def register(client: httpx2.AsyncClient, url: str = URL) -> str:
    answer = await client.post("/repositories", json={"url": url, "ref": "main", "credentialsSecret": "git"})
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["id"])


async def submit(client: httpx2.AsyncClient, **body: Any) -> str:
    answer = await client.post("/analyses", json={"repositoryId": await register(client), **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def record(cluster: MemoryCluster, name: str, phase: Phase, **changes: Any) -> JobRecord:
    """What the operator records of a job."""
    held = cluster.objects[analysis_jobs("tenant-acme", name)]
    given = {
        "uid": uuid.UUID(held["metadata"]["uid"]),
        "resource_version": int(held["metadata"]["resourceVersion"]),
        "tenant": "acme",
        "namespace": "tenant-acme",
        "name": name,
        "queue": "analysis",
        "kind": "analysis",
        "spec": held["spec"],
        "priority": 1,
        "phase": phase,
        "created_at": datetime.now(UTC),
    }
    return JobRecord(**{**given, **changes})


async def test_an_analysis_is_answered_as_adr_006_says_and_becomes_an_analysisjob(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        repository = await register(client)
        body = {"repositoryId": repository, "config": {"exclude": ["vendor/**"]}}
        answer = await client.post("/analyses", json=body)
        job_id = answer.json()["id"]
        assert (answer.status_code, answer.headers["location"]) == (201, f"/analyses/{job_id}")
        assert answer.json() == {"id": job_id, "status": "queued", "estimatedDuration": 300}
    made = cluster.objects[analysis_jobs("tenant-acme", job_id)]
    assert made["metadata"]["annotations"] == {ANALYSIS_ID_ANNOTATION: job_id}
    assert made["spec"] == {
        "queue": "analysis",
        "priority": 1,
        "repository": {"url": URL, "ref": "main", "credentialsSecretRef": {"name": "git"}},
        "repositoryId": repository,
        "requestedBy": "ada",
        "config": {"exclude": ["vendor/**"]},
    }
    create = next(call for call in cluster.calls if call.method == "POST")
    assert create.query["fieldValidation"] == "Strict"


async def test_a_repository_that_is_not_registered_is_a_404(api: Api) -> None:
    async with api.client() as client, api.client("other") as other:
        theirs = await register(other)
        for repository in (theirs, str(uuid.uuid4())):
            answer = await client.post("/analyses", json={"repositoryId": repository})
            assert (answer.status_code, answer.json()["error"]) == (404, "Repository not found")


async def test_a_job_accepted_while_the_cluster_is_away_is_created_once_it_is_back(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        await register(client)  # the tenant is known from here on
        cluster.away = True
        job_id = await submit(client)
        shown = (await client.get(f"/analyses/{job_id}")).json()
        assert shown["status"] == "queued"
        assert "can't be reached" in shown["message"]
        cluster.away = False
        path = analysis_jobs("tenant-acme", job_id)

        async def created() -> bool:
            return path in cluster.objects

        await eventually(created)


async def test_a_create_whose_answer_was_lost_is_recognised(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        await register(client)
        cluster.away = True
        job_id = await submit(client)
        path = analysis_jobs("tenant-acme", job_id)
        made = cluster.put(path, {"metadata": {"annotations": {ANALYSIS_ID_ANNOTATION: job_id}}, "spec": {}})
        cluster.away = False

        async def sent() -> bool:
            return not await api.services.submissions.unsent()

        await eventually(sent)
        job = await api.services.queries.job("acme", uuid.UUID(job_id))
        assert job is not None
        assert str(job.uid) == made["metadata"]["uid"]


async def test_what_the_cluster_refuses_for_ever_is_refused_at_once(api: Api, cluster: MemoryCluster) -> None:
    cluster.refusal = Refused(422, "Invalid", "spec.config.languages[0]: a language is written by its usual name")
    async with api.client() as client:
        answer = await client.post("/analyses", json={"repositoryId": await register(client), "config": {"a": 1}})
        assert answer.status_code == 422
        assert "usual name" in answer.json()["error"]
        assert (await client.get("/analyses")).json()["items"] == []


async def test_what_is_refused_after_it_was_accepted_ends_failed_with_the_sentence(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        await register(client)
        cluster.away = True
        job_id = await submit(client)
        cluster.refusal = Refused(403, "Forbidden", "ValidatingAdmissionPolicy 'x' denied request: too long a timeout")
        cluster.away = False

        async def failed() -> dict[str, Any] | None:
            shown: dict[str, Any] = (await client.get(f"/analyses/{job_id}")).json()
            return shown if shown["status"] == "failed" else None

        shown = await eventually(failed)
        assert "too long a timeout" in shown["message"]
        assert shown["completedAt"]


async def test_a_quota_that_is_used_up_only_delays_a_job(api: Api, cluster: MemoryCluster) -> None:
    cluster.refusal = Refused(403, "Forbidden", "exceeded quota: forge, requested: count/analysisjobs=1")
    async with api.client() as client:
        job_id = await submit(client)
        shown = (await client.get(f"/analyses/{job_id}")).json()
        assert (shown["status"], "exceeded quota" in shown["message"]) == ("queued", True)
        cluster.refusal = None
        path = analysis_jobs("tenant-acme", job_id)

        async def created() -> bool:
            return path in cluster.objects

        await eventually(created)


async def test_the_api_shows_what_the_resource_says_before_the_history_has_it(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase="Running", progress=42, stage="analysing", message="on its way")
        shown = (await client.get(f"/analyses/{job_id}")).json()
        seen = {key: shown[key] for key in ("status", "progress", "stage", "message")}
        assert seen == {"status": "running", "progress": 42, "stage": "analysing", "message": "on its way"}


async def test_a_job_applied_by_kubectl_is_seen_with_its_uid_as_id(api: Api, cluster: MemoryCluster) -> None:
    made = cluster.job("tenant-acme", "by-hand")
    await api.services.records.write([record(cluster, "by-hand", Phase.QUEUED)])
    async with api.client() as client:
        shown = (await client.get(f"/analyses/{made['metadata']['uid']}")).json()
        assert (shown["id"], shown["name"]) == (made["metadata"]["uid"], "by-hand")


async def test_pages_hold_each_job_once_newest_first(api: Api) -> None:
    async with api.client() as client:
        made = [await submit(client) for _ in range(7)]
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await client.get(f"/analyses?limit=3{cursor}")).json()
            seen += [item["id"] for item in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"
        assert seen == made[::-1]


async def test_filters_narrow_a_listing(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        first, second = await submit(client), await submit(client)
        await api.services.records.write([record(cluster, first, Phase.FAILED, completed_at=datetime.now(UTC))])

        async def ids(query: str) -> list[str]:
            return [item["id"] for item in (await client.get(f"/analyses?{query}")).json()["items"]]

        assert await ids("status=failed") == [first]
        assert await ids("status=queued") == [second]
        assert await ids("queue=webhooks") == []
        assert await ids(f"repositoryId={await register(client)}") == [second, first]
        assert await ids("since=2999-01-01T00:00:00Z") == []
        assert await ids("until=2999-01-01T00:00:00Z") == [second, first]


async def test_a_listing_shows_the_live_progress_of_running_jobs(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        await api.services.records.write([record(cluster, job_id, Phase.RUNNING)])
        uid = cluster.objects[analysis_jobs("tenant-acme", job_id)]["metadata"]["uid"]
        step = ProgressMessage(uid=uid, attempt=1, stage="analysing", percent=61.5, at=datetime.now(UTC))
        await api.services.progress.report("acme", step)
        (item,) = (await client.get("/analyses")).json()["items"]
        assert (item["progress"], item["stage"]) == (61, "analysing")


@pytest.mark.parametrize("phase", ["Queued", "Running"])
async def test_a_job_is_cancelled_once_the_operator_has_taken_it_up(
    api: Api, cluster: MemoryCluster, phase: str
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase=phase)
        answer = await client.delete(f"/analyses/{job_id}")
        assert (answer.status_code, answer.json()) == (200, {"status": "cancelled"})
        assert cluster.objects[analysis_jobs("tenant-acme", job_id)]["spec"]["cancel"] is True
        shown = (await client.get(f"/analyses/{job_id}")).json()
        assert (shown["status"], bool(shown["completedAt"])) == ("cancelled", True)
        again = await client.delete(f"/analyses/{job_id}")
        assert (again.status_code, again.json()["error"]) == (409, "The job has already ended: it is cancelled.")


async def test_a_cancelled_row_is_counted_once_when_the_operator_records_it(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase="Running")
        await client.delete(f"/analyses/{job_id}")
    ends = await api.services.records.write([record(cluster, job_id, Phase.CANCELLED)])
    assert [str(end.id) for end in ends] == [job_id]
    assert await api.services.records.write([record(cluster, job_id, Phase.CANCELLED)]) == []


@pytest.mark.parametrize("phase", ["Completed", "Failed"])
async def test_a_job_that_has_ended_can_not_be_cancelled(api: Api, cluster: MemoryCluster, phase: str) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase=phase)
        answer = await client.delete(f"/analyses/{job_id}")
        assert (answer.status_code, answer.json()["code"]) == (409, "ended")


async def test_a_job_that_is_not_in_the_cluster_yet_is_cancelled_in_its_row_and_never_created(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        await register(client)
        cluster.away = True
        job_id = await submit(client)
        assert (await client.delete(f"/analyses/{job_id}")).json() == {"status": "cancelled"}
        cluster.away = False
        await api.services.submitter.sweep()
        assert analysis_jobs("tenant-acme", job_id) not in cluster.objects


async def test_an_analysisjob_that_turns_up_after_its_row_was_cancelled_is_cancelled_too(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        await register(client)
        cluster.away = True
        job_id = await submit(client)
        await client.delete(f"/analyses/{job_id}")
        cluster.away = False
    cluster.job("tenant-acme", job_id)
    (doubtful,) = await api.services.submissions.doubtful(datetime.now(UTC))
    await api.services.submitter.settle(doubtful)
    assert cluster.objects[analysis_jobs("tenant-acme", job_id)]["spec"]["cancel"] is True


async def test_a_job_that_a_person_deleted_in_the_cluster_becomes_cancelled(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        del cluster.objects[analysis_jobs("tenant-acme", job_id)]
        assert (await client.delete(f"/analyses/{job_id}")).json() == {"status": "cancelled"}
        await api.services.submitter.sweep()
        assert analysis_jobs("tenant-acme", job_id) not in cluster.objects
        assert "deleted" in (await client.get(f"/analyses/{job_id}")).json()["message"]


async def test_without_an_operator_cancelling_is_answered_202(api: Api, cluster: MemoryCluster) -> None:
    cluster.obedient = False
    async with api.client() as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase="Running")
        answer = await client.delete(f"/analyses/{job_id}")
        assert (answer.status_code, answer.json()) == (202, {"status": "cancelling"})


async def test_a_missing_job_is_answered_as_adr_006_says(api: Api) -> None:
    async with api.client() as client:
        answer = await client.delete(f"/analyses/{uuid.uuid4()}")
        assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_repository_registered_again_keeps_its_id(api: Api) -> None:
    async with api.client() as client:
        first = await client.post("/repositories", json={"url": URL})
        again = await client.post("/repositories", json={"url": URL, "ref": "v2"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]
        (listed,) = (await client.get("/repositories")).json()["items"]
        assert listed["ref"] == "v2"


async def test_postgresql_away_is_a_503_that_says_so(api: Api, postgres: Any, history_url: str) -> None:
    postgres.drop(history_url)
    async with api.client() as client:
        answer = await client.get("/analyses")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200

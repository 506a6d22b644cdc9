"""What a runner is given of an earlier analysis: the one that its own job names, of its tenant and repository, only."""

import gzip
import hashlib
import itertools
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from forge_core.attempts import BASELINE
from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod
from tests.builders.runner_calls import claim, commit, reference, upload

pytestmark = pytest.mark.anyio
VERSIONS = itertools.count(1)
URL = "https://git.example.com/shop.git"
BODY = b'{"schema": "forge.analysis.baseline/1"}'


@dataclass
class Bench:
    """Makes analyses, with rows, pods and artefacts."""

    api: Api
    cluster: MemoryCluster

    async def row(self, job: dict[str, Any], phase: Phase, tenant: str = "acme", **spec: Any) -> None:
        record = JobRecord(
            uid=uuid.UUID(job["metadata"]["uid"]),
            resource_version=next(VERSIONS),
            tenant=tenant,
            namespace=f"tenant-{tenant}",
            name=job["metadata"]["name"],
            queue="analysis",
            kind="analysis",
            spec={"queue": "analysis", "repository": {"url": URL}, **spec},
            priority=1,
            phase=phase,
            created_at=datetime.now(UTC),
        )
        await self.api.services.records.write([record])

    async def earlier(self, name: str = "earlier", tenant: str = "acme", artifact: str = BASELINE, **spec: Any) -> str:
        """A completed analysis with its artefact; returns its id."""
        job = self.cluster.job(f"tenant-{tenant}", name, phase="Running")
        pod = self.cluster.pod(f"tenant-{tenant}", job)
        await self.row(job, Phase.RUNNING, tenant, **spec)
        assert (await claim(self.api, pod)).status_code == 200
        assert (await upload(self.api, pod, 1, artifact, BODY)).status_code == 204
        assert (await commit(self.api, pod, 1, artifacts=[reference(artifact, BODY)])).status_code == 204
        await self.row(job, Phase.COMPLETED, tenant, **spec)
        return str(job["metadata"]["uid"])

    async def asking(self, analysis: Any, tenant: str = "acme", **spec: Any) -> RunnerPod:
        """A running analysis that names a baseline, and its pod, which has claimed attempt 1."""
        job = self.cluster.job(f"tenant-{tenant}", f"asking-{next(VERSIONS)}", phase="Running")
        pod = self.cluster.pod(f"tenant-{tenant}", job)
        await self.row(job, Phase.RUNNING, tenant, **{"config": {"baseline": {"analysis": analysis}}, **spec})
        assert (await claim(self.api, pod)).status_code == 200
        return pod

    async def ask(self, pod: RunnerPod, attempt: int = 1, encoding: str = "gzip") -> httpx2.Response:
        async with self.api.runner(pod.token) as client:
            path = f"/internal/v1/attempts/{attempt}/baseline"
            return await client.get(path, headers={"Accept-Encoding": encoding})


@pytest.fixture
def bench(api: Api, cluster: MemoryCluster) -> Bench:
    return Bench(api, cluster)


@pytest.mark.parametrize(("encoding", "mark"), [("gzip", "-gzip"), ("identity", "")])
async def test_a_runner_gets_what_its_job_names_as_often_as_it_asks(bench: Bench, encoding: str, mark: str) -> None:
    pod = await bench.asking(await bench.earlier())
    for _ in range(2):
        answer = await bench.ask(pod, encoding=encoding)
        assert (answer.status_code, answer.content) == (200, BODY)
        assert answer.headers["etag"] == f'"{hashlib.sha256(BODY).hexdigest()}{mark}"'


async def test_another_tenants_analysis_is_not_there_in_the_words_of_one_that_never_was(bench: Bench) -> None:
    theirs = await bench.ask(await bench.asking(await bench.earlier(tenant="other")))
    never = await bench.ask(await bench.asking(str(uuid.uuid4())))
    assert (theirs.status_code, never.status_code) == (404, 404)
    assert theirs.json() == never.json()
    assert "no such analysis" in theirs.json()["error"]


async def test_a_namespace_that_changed_hands_does_not_hand_on_its_analyses(bench: Bench, api: Api) -> None:
    earlier = await bench.earlier()
    async with api.services.queries._history.begin() as connection:
        await connection.execute(text("update jobs set tenant = 'before' where id = :id"), {"id": uuid.UUID(earlier)})
    assert (await bench.ask(await bench.asking(earlier))).status_code == 404


@pytest.mark.parametrize("url", ["https://git.example.com/other.git", URL + "/", "", None])
async def test_an_analysis_of_another_repository_is_refused(bench: Bench, url: Any) -> None:
    answer = await bench.ask(await bench.asking(await bench.earlier(), repository={"url": url}))
    assert (answer.status_code, answer.json()["code"]) == (404, "no-baseline")
    assert "another repository" in answer.json()["error"]


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING, Phase.FAILED, Phase.CANCELLED])
async def test_an_analysis_that_is_not_completed_is_no_baseline(
    bench: Bench, phase: Phase, cluster: MemoryCluster
) -> None:
    job = cluster.job("tenant-acme", "half-done")
    await bench.row(job, phase)
    answer = await bench.ask(await bench.asking(job["metadata"]["uid"]))
    assert answer.status_code == 404
    assert f"is {phase.value.lower()}, not completed" in answer.json()["error"]


async def test_an_analysis_without_the_artefact_says_what_to_do(bench: Bench) -> None:
    answer = await bench.ask(await bench.asking(await bench.earlier(artifact="report.json")))
    assert answer.status_code == 404
    assert "analyse it anew, or name a ref" in answer.json()["error"]


@pytest.mark.parametrize("named", [None, "", "' or 1=1 --", "../../other", 7, {"id": "x"}, "\u0660" * 36])
async def test_a_job_that_names_none_gets_none(bench: Bench, named: Any) -> None:
    await bench.earlier()
    assert (await bench.ask(await bench.asking(named))).status_code == 404


async def test_a_runner_can_not_ask_in_another_ones_place(bench: Bench, cluster: MemoryCluster) -> None:
    owner = await bench.asking(await bench.earlier())
    idle = cluster.pod("tenant-acme", cluster.job("tenant-acme", "idle"))
    stranger = await bench.asking(None, tenant="other")
    assert (await bench.ask(idle)).json()["code"] == "fenced"
    assert (await bench.ask(stranger)).json()["code"] == "no-baseline"
    assert (await bench.ask(owner, 2)).json()["code"] == "fenced"
    async with bench.api.runner("forged") as client:
        assert (await client.get("/internal/v1/attempts/1/baseline")).status_code == 401
    async with bench.api.client() as client:
        assert (await client.get("/internal/v1/attempts/1/baseline")).status_code == 404


async def test_a_job_that_is_not_recorded_yet_is_asked_to_wait(bench: Bench, cluster: MemoryCluster) -> None:
    pod = cluster.pod("tenant-acme", cluster.job("tenant-acme", "unrecorded"))
    assert (await claim(bench.api, pod)).status_code == 200
    answer = await bench.ask(pod)
    assert answer.status_code == 503
    assert json.loads(answer.content)["error"].startswith("The job is not recorded yet")


async def test_the_artefact_is_stored_packed(bench: Bench, api: Api) -> None:
    earlier = await bench.earlier()
    held = await api.services.queries.file(uuid.UUID(earlier), BASELINE)
    assert held is not None
    assert gzip.decompress(held[1]) == BODY

"""A job's timeline and a cancelled job's receipt, from real PostgreSQL by a running API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from forge_core.cluster import analysis_jobs
from forge_core.history.notes import MAX_NOTES, Note, What
from forge_core.phase import Phase
from tests.builders.api import Api, MemoryCluster, RunnerPod
from tests.builders.runner_calls import SARIF, claim, commit, reference, upload
from tests.integration.api.test_analyses import record, submit

pytestmark = pytest.mark.anyio


def uid_of(cluster: MemoryCluster, job_id: str) -> uuid.UUID:
    return uuid.UUID(cluster.objects[analysis_jobs("tenant-acme", job_id)]["metadata"]["uid"])


def pod_of(cluster: MemoryCluster, job_id: str) -> RunnerPod:
    return cluster.pod("tenant-acme", cluster.objects[analysis_jobs("tenant-acme", job_id)])


async def timeline(client: httpx2.AsyncClient, job_id: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/analyses/{job_id}/timeline")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def named(entries: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["what"] == what]


async def test_a_whole_life_is_told_in_order(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        uid, pod = uid_of(cluster, job_id), pod_of(cluster, job_id)
        began = datetime.now(UTC)
        held = {"seconds": 3.5, "times": 1, "message": "10 of 10"}
        notes = [
            Note(uid, began, What.HELD, "ConcurrencyReached", held),
            Note(uid, began, What.POD_SCHEDULED, pod.uid, {"pod": pod.name, "node": "node-1"}),
        ]
        cluster.set_status("tenant-acme", job_id, phase="Running")
        await api.services.records.write(
            [record(cluster, job_id, Phase.RUNNING, queued_at=began, admitted_at=began)], notes
        )
        await claim(api, pod)
        await commit(api, pod, 1, status="failed", failure_class="transient", message="no route", stage="cloning")
        await claim(api, pod, 2)
        await upload(api, pod, 2, "report.sarif", SARIF)
        stages = [{"stage": name, "at": datetime.now(UTC).isoformat()} for name in ("cloning", "analysing", "saving")]
        done = await commit(api, pod, 2, artifacts=[reference("report.sarif", SARIF)], stages=stages)
        assert done.status_code == 204, done.text
        cluster.set_status("tenant-acme", job_id, phase="Completed")
        end = datetime.now(UTC)
        await api.services.records.write([record(cluster, job_id, Phase.COMPLETED, completed_at=end)])
        entries = await timeline(client, job_id)
        assert [entry["what"] for entry in entries] == [
            "submitted", "queued", "held", "admitted", "job-created", "pod-scheduled", "attempt-claimed",
            "attempt-failed", "backoff", "attempt-claimed", "uploaded", "stage", "stage", "stage",
            "attempt-succeeded", "ended", "recorded",
        ]  # fmt: skip
        assert await timeline(client, job_id) == entries
        assert named(entries, "held")[0]["detail"] == {"gate": "ConcurrencyReached", **held}
        assert "attempt" not in named(entries, "submitted")[0]
        stage = named(entries, "stage")[1]
        assert (stage["detail"], stage["attempt"], stage["pod"]) == ({"stage": "analysing"}, 2, pod.name)


async def test_a_person_is_given_a_picture(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        await claim(api, pod_of(cluster, job_id))
        answer = await client.get(f"/analyses/{job_id}/timeline", headers={"Accept": "text/plain"})
        assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "waiting for gates" in answer.text
        assert "attempt 1" in answer.text
        assert max(map(len, answer.text.splitlines())) <= 100


async def test_a_job_that_has_not_reached_the_cluster_has_a_timeline_too(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        await submit(client)
        cluster.away = True
        job_id = await submit(client)
        assert [entry["what"] for entry in await timeline(client, job_id)] == ["submitted"]


async def test_a_cancelled_job_has_a_receipt_and_a_late_pods_upload_is_refused_and_shown(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client(user="ada") as client:
        job_id = await submit(client)
        cluster.set_status("tenant-acme", job_id, phase="Running")
        await api.services.records.write([record(cluster, job_id, Phase.RUNNING)])
        uid, pod = uid_of(cluster, job_id), pod_of(cluster, job_id)
        await claim(api, pod)
        assert (await client.get(f"/analyses/{job_id}")).json()["cancellation"] is None
        assert (await client.delete(f"/analyses/{job_id}")).json() == {"status": "cancelled"}
        taken = datetime.now(UTC)
        await api.services.records.write([], [Note(uid, taken, What.CANCELLING)])
        for _ in range(3):
            assert (await upload(api, pod, 1, "report.sarif", SARIF)).json()["code"] == "fenced"
        assert (await commit(api, pod, 1)).status_code == 409
        gone = taken + timedelta(seconds=30)
        cluster.set_status("tenant-acme", job_id, phase="Cancelled")
        over = record(cluster, job_id, Phase.CANCELLED, completed_at=gone, last_pod_ended_at=gone)
        [end] = await api.services.records.write([over])
        assert end.phase is Phase.CANCELLED
        receipt = (await client.get(f"/analyses/{job_id}")).json()["cancellation"]
        assert (receipt["requestedBy"], receipt["through"]) == ("ada", "api")
        assert (receipt["refusedUploads"], receipt["events"]) == (4, 0)
        assert (receipt["decidedAt"], receipt["lastPodEndedAt"]) == (_json(taken), _json(gone))
        assert receipt["requestedAt"] < receipt["decidedAt"]
        assert receipt["counted"]["status"] == "cancelled"
        entries = await timeline(client, job_id)
        [refused] = named(entries, "upload-refused")
        assert (refused["pod"], refused["attempt"]) == (pod.name, 1)
        assert (refused["detail"]["times"], refused["detail"]["sent"]) == (4, "report.sarif")
        assert named(entries, "cancel-asked")[0]["detail"] == {"by": "ada", "through": "api"}
        assert named(entries, "delivered") == []


def _json(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def test_who_cancelled_by_kubectl_is_shown_as_the_client_calls_itself(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        uid, now = uid_of(cluster, job_id), datetime.now(UTC)
        asked = Note(uid, now, What.CANCEL_ASKED, "spec", {"by": "kubectl-patch", "through": "kubernetes"})
        cluster.set_status("tenant-acme", job_id, phase="Cancelled")
        await api.services.records.write([record(cluster, job_id, Phase.CANCELLED, completed_at=now)], [asked])
        receipt = (await client.get(f"/analyses/{job_id}")).json()["cancellation"]
        assert (receipt["requestedBy"], receipt["through"]) == ("kubectl-patch", "kubernetes")


async def test_a_job_cancelled_before_it_was_sent_has_a_receipt(api: Api, cluster: MemoryCluster) -> None:
    async with api.client(user="ada") as client:
        await submit(client)
        cluster.away = True
        job_id = await submit(client)
        assert (await client.delete(f"/analyses/{job_id}")).status_code == 200
        receipt = (await client.get(f"/analyses/{job_id}")).json()["cancellation"]
        assert (receipt["requestedBy"], receipt["lastPodEndedAt"], receipt["counted"]) == ("ada", None, None)


async def test_a_pod_whose_job_is_gone_from_the_cluster_is_known_by_the_attempt_that_it_claimed(
    api: Api, cluster: MemoryCluster
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        pod = pod_of(cluster, job_id)
        await claim(api, pod)
        batch = next(path for path in cluster.objects if "/jobs/" in path)
        del cluster.objects[batch]
        api.services.identities._known._kept.clear()
        assert (await upload(api, pod, 1, "report.sarif", SARIF)).json()["code"] == "fenced"
        assert (await claim(api, pod, 2)).json()["code"] == "fenced"
        entries = await timeline(client, job_id)
        [refused] = named(entries, "upload-refused")
        assert (refused["pod"], refused["detail"]["sent"]) == (pod.name, "report.sarif")
        assert refused["detail"]["why"] == "the job is gone from the cluster"
        assert len(named(entries, "claim-refused")) == 1


async def test_a_pod_that_never_claimed_writes_into_no_timeline(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        pod = pod_of(cluster, job_id)
        batch = next(path for path in cluster.objects if "/jobs/" in path)
        del cluster.objects[batch]
        assert (await upload(api, pod, 1, "report.sarif", SARIF)).json()["code"] == "fenced"
        assert [entry["what"] for entry in await timeline(client, job_id)] == ["submitted"]


async def test_a_hostile_pod_fills_no_timeline(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        uid, pod = uid_of(cluster, job_id), pod_of(cluster, job_id)
        await claim(api, pod)
        for number in range(12):
            assert (await upload(api, pod, 50 + number, f"a{number}", SARIF)).status_code == 409
        stages = [{"stage": "x" * 64, "at": datetime.now(UTC).isoformat()}]
        assert (await commit(api, pod, 1, stages=stages)).status_code == 422
        stages = [{"stage": "\x00\u202e" + "x" * 50, "at": "0001-01-01T00:00:00Z"}] * 33
        assert (await commit(api, pod, 1, stages=stages)).status_code == 422
        assert (await commit(api, pod, 1, stages=stages[:32])).status_code == 204
        entries = await timeline(client, job_id)
        assert [entry["detail"]["times"] for entry in named(entries, "upload-refused")] == [12]
        assert len(named(entries, "stage")) == 32
        assert min(entry["at"] for entry in named(entries, "stage")) >= named(entries, "attempt-claimed")[0]["at"]
        many = [Note(uid, datetime.now(UTC), What.POD_TROUBLED, f"k{number}") for number in range(2 * MAX_NOTES)]
        for part in (many[:MAX_NOTES], many[MAX_NOTES:]):
            await api.services.records.write([], part)
        assert len(named(await timeline(client, job_id), "pod-troubled")) <= MAX_NOTES
        text = (await client.get(f"/analyses/{job_id}/timeline", headers={"Accept": "text/plain"})).text
        assert all(sign.isprintable() or sign == "\n" for sign in text)


async def test_the_same_note_twice_is_one(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        uid, now = uid_of(cluster, job_id), datetime.now(UTC)
        first = Note(uid, now, What.CANCELLING, "", {"why": "first"})
        again = Note(uid, now + timedelta(seconds=9), What.CANCELLING, "", {"why": "again"})
        await api.services.records.write([], [first, first])
        await api.services.records.write([], [again])
        assert [e["detail"] for e in named(await timeline(client, job_id), "cancelling")] == [{"why": "first"}]


async def test_postgresql_away_refuses_a_late_upload_all_the_same(
    api: Api, cluster: MemoryCluster, postgres: Any, history_url: str
) -> None:
    async with api.client() as client:
        job_id = await submit(client)
        pod = pod_of(cluster, job_id)
        await claim(api, pod)
        postgres.drop(history_url)
        assert (await upload(api, pod, 9, "late", SARIF)).status_code == 503
        assert (await client.get(f"/analyses/{job_id}/timeline")).status_code == 503

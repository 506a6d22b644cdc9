"""What the API tells of a real job's course: every step, where its time went, and that a cancelled one is gone."""

from typing import Any

import httpx2
import pytest

from forge_core.phase import Phase
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
UID_LABEL = "forge-factory.dev/analysisjob-uid"


def timeline_with(api: httpx2.Client, job_id: str, what: str) -> list[dict[str, Any]]:
    """The timeline, once it tells that."""

    def told() -> list[dict[str, Any]] | None:
        answer = api.get(f"/analyses/{job_id}/timeline")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None  # a job that was applied has its row a moment later
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found if any(entry["what"] == what for entry in found) else None

    return wait_until(told, 60, f"the timeline tells {what}")


def test_a_completed_job_is_told_from_its_submission_to_the_delivery_of_its_event(
    forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    name = jobs.submit(small_repository)
    uid = forge.wait_for(name, Phase.COMPLETED)["metadata"]["uid"]
    with forge.api() as api:
        entries = timeline_with(api, uid, "delivered")
        told = [entry["what"] for entry in entries if entry["what"] not in {"stage", "held", "sla-breached"}]
        assert told == [
            "submitted", "admitted", "job-created", "pod-scheduled", "image-pulled", "pod-started", "attempt-claimed",
            "uploaded", "attempt-succeeded", "pod-ended", "ended", "recorded", "delivered",
        ]  # fmt: skip
        stages = [entry["detail"]["stage"] for entry in entries if entry["what"] == "stage"]
        assert (stages[0], stages[-1]) == ("starting", "saving")
        assert {entry["attempt"] for entry in entries if entry["what"] == "stage"} == {1}
        picture = api.get(f"/analyses/{uid}/timeline", headers={"Accept": "text/plain"}).text
        assert "attempt 1" in picture
        assert max(map(len, picture.splitlines())) <= 100


def test_a_job_cancelled_through_the_api_has_a_receipt(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    uid = forge.running_pod(name)["metadata"]["labels"][UID_LABEL]
    with forge.api() as api:
        wait_until(lambda: api.get(f"/analyses/{uid}").status_code == 200)
        assert api.delete(f"/analyses/{uid}").json() == {"status": "cancelled"}
        forge.wait_for(name, Phase.CANCELLED)
        receipt = wait_until(
            lambda: found if (found := api.get(f"/analyses/{uid}").json()["cancellation"])["counted"] else None
        )
        assert (receipt["requestedBy"], receipt["through"], receipt["events"]) == ("tester", "api", 0)
        assert receipt["requestedAt"] <= receipt["decidedAt"]
        receipt = wait_until(
            lambda: found if (found := api.get(f"/analyses/{uid}").json()["cancellation"])["lastPodEndedAt"] else None
        )
        timeline_with(api, uid, "pod-ended")
    delivered = (
        f"select count(*) from outbox join jobs on jobs.id = job_id where name = '{name}' and channel = 'events'"
    )
    assert forge.sql(delivered) == [["0"]]


def test_a_job_cancelled_by_kubectl_says_so(forge: Forge, jobs: Jobs, long_repository: str) -> None:
    name = jobs.submit(long_repository, jobs.queue(paused=True))
    wait_until(lambda: forge.phase(name) == Phase.QUEUED)
    forge.kubectl.run("-n", TENANT_NAMESPACE, "patch", "aj", name, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    uid = forge.wait_for(name, Phase.CANCELLED)["metadata"]["uid"]
    with forge.api() as api:
        entries = timeline_with(api, uid, "cancel-asked")
        receipt = api.get(f"/analyses/{uid}").json()["cancellation"]
        assert (receipt["requestedBy"], receipt["through"]) == ("kubectl-patch", "kubernetes")
        assert receipt["lastPodEndedAt"] is None
        assert [entry["detail"]["gate"] for entry in entries if entry["what"] == "held"] == ["QueuePaused"]

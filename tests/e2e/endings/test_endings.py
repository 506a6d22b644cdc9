"""How a job ends when it doesn't end well: cancelled, failed for good, out of attempts."""

import pytest

from forge_core.cluster import analysis_jobs
from forge_core.phase import Phase
from tests.e2e.forge import GIT_HOST, TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_cancel_by_spec_ends_the_pod_and_the_job(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    forge.running_pod(name)
    forge.kubectl.server.patch(analysis_jobs(TENANT_NAMESPACE, name), {"spec": {"cancel": True}})
    job = forge.wait_for(name, Phase.CANCELLED)
    assert job["status"]["completedAt"]
    wait_until(lambda: not forge.pods(name) and not forge.batch_jobs(name), what="nothing of it is left")
    rows = wait_until(lambda: forge.sql(f"select phase from jobs where name = '{name}' and phase = 'Cancelled'"))
    assert rows == [["Cancelled"]]


def test_cancel_by_the_api_answers_once_it_is_decided(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    uid = forge.running_pod(name)["metadata"]["labels"]["forge-factory.dev/analysisjob-uid"]
    with forge.api() as api:
        wait_until(lambda: api.get(f"/analyses/{uid}").status_code == 200)
        answer = api.delete(f"/analyses/{uid}")
        assert (answer.status_code, answer.json()) == (200, {"status": "cancelled"})
        shown = wait_until(
            lambda: found if (found := api.get(f"/analyses/{uid}").json())["status"] == "cancelled" else None
        )
        assert shown["completedAt"]
        forge.wait_for(name, Phase.CANCELLED)
        assert api.delete(f"/analyses/{uid}").status_code == 409
        missing = api.delete("/analyses/00000000-0000-0000-0000-000000000000")
        assert (missing.status_code, missing.json()["error"]) == (404, "Job not found")


def test_a_waiting_job_is_cancelled_without_ever_having_a_pod(forge: Forge, jobs: Jobs, long_repository: str) -> None:
    name = jobs.submit(long_repository, jobs.queue(paused=True))
    wait_until(lambda: forge.phase(name) == Phase.QUEUED)
    forge.kubectl.server.patch(analysis_jobs(TENANT_NAMESPACE, name), {"spec": {"cancel": True}})
    forge.wait_for(name, Phase.CANCELLED)
    assert forge.batch_jobs(name) == []


def test_plain_kubectl_delete_leaves_a_cancelled_row(
    forge: Forge, jobs: Jobs, slow_queue: str, long_repository: str
) -> None:
    name = jobs.submit(long_repository, slow_queue)
    forge.running_pod(name)
    forge.kubectl.run("-n", TENANT_NAMESPACE, "delete", "aj", name)
    wait_until(lambda: not forge.pods(name) and not forge.batch_jobs(name), 60, "nothing of it is left")
    wait_until(
        lambda: forge.sql(f"select phase from jobs where name = '{name}'") == [["Cancelled"]], what="its row says so"
    )


def test_a_job_that_fails_for_good_is_not_tried_again(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, ref="no-such-branch")
    job = forge.wait_for(name, Phase.FAILED)
    assert "no-such-branch" in job["status"]["message"]
    assert job["status"]["attempts"] == 1
    assert len(forge.pods(name)) == 1


def test_a_job_out_of_attempts_says_so_with_the_last_error(forge: Forge, jobs: Jobs) -> None:
    retry = {"attempts": 3, "backoff": {"type": "exponential", "delay": "1s"}}
    queue = jobs.queue(retry=retry)
    name = jobs.submit(f"http://{GIT_HOST}:81/unreachable.git", queue)
    job = forge.wait_for(name, Phase.FAILED)
    assert "3 of 3 attempts" in job["status"]["message"]
    assert GIT_HOST in job["status"]["message"]
    assert job["status"]["attempts"] == 3
    uid = job["metadata"]["uid"]
    claimed = forge.sql(f"select extract(epoch from claimed_at) from attempts where job_uid = '{uid}' order by number")
    first, second, third = (float(row[0]) for row in claimed)
    assert second - first >= 1
    assert third - second >= 2

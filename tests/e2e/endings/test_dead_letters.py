"""Dead letters on the release: a failure is found in its group, redriven by the API, and redriven no second time."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from forge_core.cluster import analysis_jobs
from forge_core.phase import Phase
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def submitted(forge: Forge) -> Iterator[list[str]]:
    """Names of AnalysisJobs that the API made: gone after the test."""
    made: list[str] = []
    yield made
    for name in made:
        forge.kubectl.server.delete(analysis_jobs(TENANT_NAMESPACE, name))


def group_of(forge: Forge, queue: str, count: int) -> dict[str, Any]:
    """The one group of a queue, once it counts so many."""

    def found() -> dict[str, Any] | None:
        with forge.api() as client:
            items = client.get("/dead-letters", params={"queue": queue}).json()["items"]
        return items[0] if len(items) == 1 and items[0]["count"] == count else None

    return wait_until(found, 30, f"{count} dead letters of queue {queue} in one group")


def test_failures_with_other_refs_are_one_group_that_is_redriven_once(
    forge: Forge, jobs: Jobs, small_repository: str, submitted: list[str]
) -> None:
    queue = jobs.queue()
    names = [jobs.submit(small_repository, queue, ref=f"no-{uuid.uuid4().hex[:6]}") for _ in range(3)]
    uids = {forge.wait_for(name, Phase.FAILED)["metadata"]["uid"] for name in names}
    group = group_of(forge, queue, 3)
    assert (group["class"], group["stage"], group["redriven"]) == ("permanent", "cloning", 0)
    with forge.api() as client:
        path = f"/dead-letters/{group['fingerprint']}"
        done = client.post(f"{path}/redrive", json={"limit": 10}).json()
        assert (done["redriven"], done["skipped"]) == (3, 0)
        again = client.post(f"{path}/redrive", json={"limit": 10}).json()
        assert (again["redriven"], again["skipped"]) == (0, 3)
        listed = client.get(path).json()["items"]
        submitted += [item["retriedBy"] for item in listed if item["id"] in uids]
    assert len(set(submitted)) == 3
    for name in submitted:
        wait_until(lambda name=name: forge.job(name), 30, f"{name} is in the cluster")  # type: ignore[misc]
        assert forge.wait_for(name, Phase.FAILED)["spec"]["retryOf"] in uids
    assert group_of(forge, queue, 6)["redriven"] == 3


def test_a_job_that_the_api_redrives_is_not_done_by_a_manifest_too(
    forge: Forge, jobs: Jobs, small_repository: str, submitted: list[str]
) -> None:
    queue = jobs.queue()
    failed = forge.wait_for(jobs.submit(small_repository, queue, ref="no-such-ref"), Phase.FAILED)
    origin = failed["metadata"]["uid"]
    group_of(forge, queue, 1)
    with forge.api() as client:
        answer = client.post(f"/analyses/{origin}/redrive")
        assert answer.status_code == 201, answer.text
        submitted.append(answer.json()["id"])
        assert client.post(f"/analyses/{origin}/redrive").json()["retriedBy"] == submitted[0]
    wait_until(lambda: forge.job(submitted[0]), 30, "the redriven job is in the cluster")
    manifest = jobs.submit(small_repository, queue, retryOf=origin)
    assert submitted[0] in forge.wait_for(manifest, Phase.FAILED)["status"]["message"]

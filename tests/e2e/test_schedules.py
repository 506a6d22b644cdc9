"""The schedules, started by hand as whoever is on call would: each submits one clean-up, which does its work."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forge_core.cluster import analysis_jobs, job_queues, jobs
from forge_core.names import SCHEDULE_LABEL
from forge_core.phase import Phase
from tests.e2e.forge import RELEASE_NAMESPACE, TENANT, TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
SYSTEM = "forge-system"
SECONDS = 180


@pytest.fixture
def start(forge: Forge) -> Iterator[Any]:
    """`start(schedule)`: the batch/v1 Job of a start by hand, once it has ended well; removed after the test."""
    made: list[str] = []

    def by_hand(schedule: str) -> str:
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        made.append(name)
        forge.kubectl.run("-n", RELEASE_NAMESPACE, "create", "job", f"--from=cronjob/forge-{schedule}", name)
        wait_until(lambda: _succeeded(forge, name), SECONDS, f"{schedule} submitted or skipped")
        return name

    yield by_hand
    for name in made:
        forge.kubectl.server.delete(jobs(RELEASE_NAMESPACE, name))


def _succeeded(forge: Forge, name: str) -> bool:
    return bool(forge.kubectl.server.read(jobs(RELEASE_NAMESPACE, name)).get("status", {}).get("succeeded"))


def clean_ups(forge: Forge, schedule: str) -> list[dict[str, Any]]:
    """The AnalysisJobs of a schedule, oldest first."""
    found = forge.kubectl.server.items(analysis_jobs(SYSTEM), labelSelector=f"{SCHEDULE_LABEL}={schedule}")
    return sorted(found, key=lambda job: (job["metadata"]["creationTimestamp"], job["metadata"]["name"]))


def submitted(forge: Forge, start_name: str, schedule: str) -> dict[str, Any] | None:
    """The AnalysisJob that a start made."""
    made = [job for job in clean_ups(forge, schedule) if job["metadata"]["name"].startswith(start_name)]
    return made[0] if made else None


def completed(forge: Forge, start: Any, schedule: str) -> dict[str, Any]:
    """Start a schedule until a job of this very start was made (another may have been open), and wait for its end."""

    def made() -> str | None:
        name = start(schedule)
        return name if submitted(forge, name, schedule) else None

    name = wait_until(made, SECONDS, f"{schedule} submits a job of its own")

    def over() -> dict[str, Any] | None:
        job = submitted(forge, name, schedule)
        phase = (job or {}).get("status", {}).get("phase", "Queued")
        assert not (Phase(phase).terminal and phase != Phase.COMPLETED), job
        return job if phase == Phase.COMPLETED else None

    return wait_until(over, SECONDS, f"the {schedule} completes")


def test_usage_of_the_hours_that_are_over_is_told(forge: Forge, start: Any) -> None:
    uid = old_row(forge, "now() - interval '2 hours'")
    try:
        job = completed(forge, start, "usage")
        assert job["spec"]["config"] == {"task": "aggregate-usage"}
        assert job["status"]["progress"] == 100
        with forge.api() as api:
            answer = api.get("/usage", params={"queue": "e2e-old"}).json()
        assert datetime.now(UTC) - datetime.fromisoformat(answer["closedUntil"]) < timedelta(hours=1, minutes=10)
        assert [(item["completed"], item["runSeconds"]) for item in answer["items"]] == [(1, 60)]
    finally:
        forge.sql(f"delete from jobs where id = '{uid}'")
        forge.sql("delete from usage where queue = 'e2e-old'")


def test_a_purge_removes_what_is_past_its_time_and_nothing_else(forge: Forge, start: Any) -> None:
    old, young = old_row(forge, "now() - interval '200 days'"), old_row(forge, "now() - interval '20 days'")
    try:
        completed(forge, start, "purge")
        left = {row[0] for row in forge.sql("select id from jobs where queue = 'e2e-old'")}
        assert left == {young}, old
    finally:
        forge.sql("delete from jobs where queue = 'e2e-old'")
        forge.sql("delete from usage where queue = 'e2e-old'")


def test_a_clean_up_removes_what_belongs_to_no_job(forge: Forge, start: Any) -> None:
    uid = str(uuid.uuid4())
    forge.sql(
        "insert into artifacts (job_uid, attempt, name, content_type, size, sha256, gzipped, body, stored_at)"
        f" values ('{uid}', 1, 'log', 'text/plain', 1, 'x', true, 'x', now() - interval '2 days')"
    )
    completed(forge, start, "clean-up")
    assert forge.sql(f"select count(*) from artifacts where job_uid = '{uid}'") == [["0"]]


def test_while_one_is_open_a_start_submits_nothing(forge: Forge, start: Any) -> None:
    """The queue is paused for as long as the test lasts, so that the first one stays open."""
    forge.kubectl.server.patch(job_queues("cleanup"), {"spec": {"paused": True}})
    try:
        start("clean-up")
        before = [job["metadata"]["name"] for job in clean_ups(forge, "clean-up")]
        skipped = start("clean-up")
        said = forge.kubectl.run("-n", RELEASE_NAMESPACE, "logs", f"job/{skipped}").stdout
        assert "is still open" in said
        assert [job["metadata"]["name"] for job in clean_ups(forge, "clean-up")] == before
    finally:
        forge.kubectl.server.patch(job_queues("cleanup"), {"spec": {"paused": False}})

    def all_over() -> bool:
        phases = [job.get("status", {}).get("phase", "Queued") for job in clean_ups(forge, "clean-up")]
        return all(Phase(phase).terminal for phase in phases)

    wait_until(all_over, SECONDS, "what waited is done")


def test_no_other_tenant_may_submit_a_clean_up(forge: Forge, jobs: Jobs) -> None:
    refused = forge.kubectl.apply(
        {
            "apiVersion": "forge-factory.dev/v1alpha1",
            "kind": "AnalysisJob",
            "metadata": {"name": "e2e-purge", "namespace": TENANT_NAMESPACE},
            "spec": {"queue": "cleanup", "config": {"task": "purge-history"}},
        },
        check=False,
    )
    jobs.names.append("e2e-purge")
    assert refused.returncode != 0
    assert "does not serve namespace" in refused.stderr


def old_row(forge: Forge, ended: str) -> str:
    """A row of a job that completed then after a minute, and left the cluster; returns its id."""
    row = str(uuid.uuid4())
    forge.sql(
        "insert into jobs (id, resource_uid, resource_version, tenant, namespace, name, queue, submitted,"
        " repository_id, requested_by, spec, priority, phase, stage, progress, attempts, message, reason,"
        " failure_class, created_at, started_at, completed_at, recorded_at, deleted_at, cancelled_by)"
        f" values ('{row}', '{row}', 1, '{TENANT}', '{TENANT_NAMESPACE}', 'old', 'e2e-old', false, '', '', '{{}}', 1,"
        f" 'Completed', '', 100, 1, '', '', '', {ended}, {ended} - interval '1 minute', {ended}, now(), now(), '')"
    )
    return row

"""A schedule submits one AnalysisJob at a time, none while one of it is open; a start may be repeated."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from forge_core.cluster import Cluster, Refused, Unavailable
from forge_core.maintenance import Task
from forge_core.names import SCHEDULE_LABEL
from forge_operator.schedule import Schedule, manifest_of, submit
from tests.builders.operator import NOW
from tests.services.apiserver import Script, answer, refusal, scripted

pytestmark = pytest.mark.anyio
PATH = "/apis/forge-factory.dev/v1alpha1/namespaces/forge-system/analysisjobs"
START = Schedule(
    schedule="usage",
    task=Task.AGGREGATE_USAGE,
    system_namespace="forge-system",
    job_name="forge-usage-29403125",
    job_uid="0a4f3c1e-7c53-4d3a-9a54-1f3f4d2f8a11",
)
NAME = manifest_of(START, NOW)["metadata"]["name"]


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Cluster, Script]]:
    async with scripted() as made:
        yield made


def listed(*jobs: tuple[str, str | None]) -> Any:
    items = [{"metadata": {"name": name}, "status": {"phase": phase} if phase else {}} for name, phase in jobs]
    return answer({"metadata": {}, "items": items})


async def test_a_start_submits_a_job_of_the_cleanup_queue(cluster: tuple[Cluster, Script]) -> None:
    client, script = cluster
    script.on(f"GET {PATH}", listed(("before", "Completed"), ("failed", "Failed"), ("gone", "Cancelled")))
    script.on(f"POST {PATH}", answer({}, 201))
    assert await submit(client, START, NOW) == f"submitted {NAME}"
    made = script.bodies[-1]
    assert made["spec"]["queue"] == "cleanup"
    assert made["spec"]["config"] == {"task": "aggregate-usage"}
    assert made["metadata"]["labels"] == {SCHEDULE_LABEL: "usage"}
    assert made["metadata"]["name"].startswith("forge-usage-29403125-")


@pytest.mark.parametrize("phase", [None, "Queued", "Running", "Cancelling"])
async def test_while_one_of_the_schedule_is_open_nothing_is_submitted(
    cluster: tuple[Cluster, Script], phase: str | None
) -> None:
    client, script = cluster
    script.on(f"GET {PATH}", listed(("before", "Completed"), ("runs", phase)))
    assert await submit(client, START, NOW) == "skipped: runs is still open"
    assert script.calls == [f"GET {PATH}"]


async def test_a_start_that_is_repeated_finds_its_own_job(cluster: tuple[Cluster, Script]) -> None:
    client, script = cluster
    script.on(f"GET {PATH}", listed((NAME, "Queued")))
    script.on(f"POST {PATH}", refusal(409, "AlreadyExists", "it is there"))
    assert await submit(client, START, NOW) == f"{NAME} was submitted before"


async def test_another_start_has_another_name_and_the_same_start_the_same() -> None:
    again = manifest_of(START, NOW)["metadata"]["name"]
    later = manifest_of(START.model_copy(update={"job_name": "forge-usage-29403185"}), NOW)["metadata"]["name"]
    by_hand_twice = manifest_of(START.model_copy(update={"job_uid": "another"}), NOW)["metadata"]["name"]
    assert again == NAME
    assert len({NAME, later, by_hand_twice}) == 3


async def test_what_the_api_server_refuses_is_an_error(cluster: tuple[Cluster, Script]) -> None:
    client, script = cluster
    script.on(f"GET {PATH}", refusal(403, "Forbidden"))
    with pytest.raises(Refused):
        await submit(client, START, NOW)
    script.on(f"GET {PATH}", listed())
    script.on(f"POST {PATH}", refusal(503, "ServiceUnavailable"))
    with pytest.raises(Unavailable):
        await submit(client, START, NOW)


def test_the_program_says_what_its_pod_was_not_given() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FORGE_")}
    given = {**kept, "FORGE_SCHEDULE": "Bad Name", "FORGE_TASK": "everything", "FORGE_JOB_NAME": "a"}
    done = subprocess.run(
        [sys.executable, "-m", "forge_operator.schedule"], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    said = done.stdout + done.stderr
    for variable in ("FORGE_SCHEDULE", "FORGE_TASK", "FORGE_SYSTEM_NAMESPACE", "FORGE_JOB_UID"):
        assert variable in said

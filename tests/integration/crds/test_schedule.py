"""A schedule's program on the real API server, with no more rights than the chart gives it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from forge_core.cluster import analysis_jobs
from forge_core.names import SCHEDULE_LABEL
from tests.builders.chart import only, render
from tests.conftest import Kubectl
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
ACCOUNT = "forge-schedules"
Start = Callable[..., str]


@pytest.fixture
def limited(kubectl: Kubectl, kubeconfig: Path, place: str, tmp_path: Path) -> Path:
    """A kubeconfig of the schedules' account, bound to the chart's own Role."""
    role = only(render(), "Role", ACCOUNT, "forge-system")
    binding = only(render(), "RoleBinding", ACCOUNT, "forge-system")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": place}}
    metadata = {"name": ACCOUNT, "namespace": place}
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": place}]
    kubectl.server.apply(account, role | {"metadata": metadata}, binding | {"metadata": metadata, "subjects": subjects})
    token = kubectl.server.token(place, ACCOUNT)
    document = yaml.safe_load(kubeconfig.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def start(kubectl: Kubectl, limited: Path, place: str) -> Iterator[Start]:
    """`start(job_uid)`: what the program said, as JSON's `event`."""

    def begin(job_uid: str, schedule: str = "usage") -> str:
        given = {
            "FORGE_SCHEDULE": schedule, "FORGE_TASK": "aggregate-usage", "FORGE_SYSTEM_NAMESPACE": place,
            "FORGE_QUEUE": "nobodys", "FORGE_JOB_NAME": f"forge-{schedule}-29403125", "FORGE_JOB_UID": job_uid,
            "FORGE_KUBECONFIG": str(limited),
        }  # fmt: skip
        command = [sys.executable, "-m", "forge_operator.schedule"]
        done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        [line] = [line for line in (done.stdout + done.stderr).splitlines() if '"schedule"' in line]
        return str(json.loads(line)["event"])

    yield begin
    made = kubectl.server.items(analysis_jobs(place))
    kubectl.server.delete(*(analysis_jobs(place, job["metadata"]["name"]) for job in made))


def jobs(kubectl: Kubectl, place: str, schedule: str = "usage") -> list[dict[str, Any]]:
    return kubectl.server.items(analysis_jobs(place), labelSelector=f"{SCHEDULE_LABEL}={schedule}")


def test_one_job_of_a_schedule_is_open_at_a_time_and_a_start_may_be_repeated(
    kubectl: Kubectl, place: str, start: Start
) -> None:
    wait_until(lambda: can_list(kubectl, place), what="the account's rights hold")
    first = str(uuid.uuid4())
    assert start(first).startswith("submitted forge-usage-29403125-")
    assert start(first).endswith("was submitted before")
    assert start(str(uuid.uuid4())).endswith("is still open")
    assert start(str(uuid.uuid4()), "purge").startswith("submitted"), "another schedule's"
    [job] = jobs(kubectl, place)
    assert job["spec"]["config"] == {"task": "aggregate-usage"}
    kubectl.server.patch(f"{analysis_jobs(place, job['metadata']['name'])}/status", {"status": {"phase": "Completed"}})
    assert start(first).endswith("was submitted before"), "the same start never makes a second job"
    assert start(str(uuid.uuid4())).startswith("submitted")
    assert len(jobs(kubectl, place)) == 2


def can_list(kubectl: Kubectl, place: str) -> bool:
    who = f"--as=system:serviceaccount:{place}:{ACCOUNT}"
    done = kubectl.run("auth", "can-i", "list", "analysisjobs.forge-factory.dev", "-n", place, who, check=False)
    return done.stdout.strip() == "yes"


def test_the_account_may_neither_change_nor_remove_a_job_nor_look_elsewhere(
    kubectl: Kubectl, place: str, limited: Path
) -> None:
    assert limited.exists()
    wait_until(lambda: can_list(kubectl, place), what="the account's rights hold")
    who = f"--as=system:serviceaccount:{place}:{ACCOUNT}"
    asked = [
        ("get", place),
        ("delete", place),
        ("patch", place),
        ("watch", place),
        ("list", "default"),
        ("create", "default"),
    ]
    for verb, namespace in asked:
        done = kubectl.run("auth", "can-i", verb, "analysisjobs.forge-factory.dev", "-n", namespace, who, check=False)
        assert done.stdout.strip() == "no", (verb, namespace)

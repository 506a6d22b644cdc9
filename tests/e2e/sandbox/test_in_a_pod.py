"""What only a real pod shows of its sandbox: the token, the runner's processes, the services that it can reach."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forge_core.phase import Phase
from tests.e2e.forge import Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster

PROBE = Path(__file__).with_name("probe.py").read_text()
UNUSED = "import os\nimport sys\n\nprint(sys)\n"
STAYS = "import subprocess; subprocess.Popen(['setsid', 'sleep', '3600'])\n"
SECONDS = 200


def refactored(forge: Forge, jobs: Jobs, url: str, *command: str, **verify: Any) -> dict[str, Any]:
    """The AnalysisJob of a refactoring that was verified by a command, once it is Completed."""
    config = {"imports": ["remove-unused"], "paths": ["app.py"], "verify": {"command": [*command], **verify}}
    return forge.wait_for(jobs.submit(url, "refactoring", config=config), Phase.COMPLETED, seconds=SECONDS)


def artifact(forge: Forge, job: dict[str, Any], name: str) -> str:
    """An artefact of a job."""
    with forge.api() as api:
        answer = api.get(f"/jobs/{job['metadata']['uid']}/artifacts/{name}")
        assert answer.status_code == 200, answer.text
        return answer.text


def result(forge: Forge, job: dict[str, Any]) -> dict[str, Any]:
    """The summary of a job's result."""
    with forge.api() as api:
        summary: dict[str, Any] = api.get(f"/jobs/{job['metadata']['uid']}/results").json()["summary"]
        return summary


@pytest.fixture(scope="module")
def probed(forge: Forge, serve: Callable[..., str]) -> dict[str, Any]:
    """What the probe told of one pod's sandbox."""
    jobs = Jobs(forge)
    try:
        url = serve({"app.py": UNUSED, "probe.py": PROBE})
        job = refactored(forge, jobs, url, "python", "probe.py", forge.namespace)
        log = artifact(forge, job, "tests.log")
    finally:
        jobs.clear()
    line = next(line for line in log.splitlines() if line.startswith("PROBE "))
    told: dict[str, Any] = json.loads(line.removeprefix("PROBE "))
    return told


def test_it_is_another_user_without_a_right(probed: dict[str, Any]) -> None:
    assert probed["uid"] >= 100_000
    assert probed["status"]["NoNewPrivs"] == "1"
    assert probed["status"]["Seccomp"] == "2"
    for held in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(probed["status"][held], 16) == 0


def test_neither_token_nor_secret_nor_service_is_in_its_files_or_variables(probed: dict[str, Any]) -> None:
    assert probed["secrets"] == probed["token"] == probed["work"] == "FileNotFoundError"
    assert set(probed["first"].values()) == {"PermissionError"}
    assert not [name for name in probed["variables"] if name.startswith(("FORGE", "KUBERNETES")) or "_SERVICE_" in name]


def test_it_sees_no_process_but_its_own(probed: dict[str, Any]) -> None:
    lines = " ".join(probed["processes"].values())
    assert "forge_sandbox" in probed["processes"]["1"]
    assert "forge_runner" not in lines
    assert len(probed["processes"]) == 2


def test_it_writes_nowhere_but_on_its_volume_which_holds_nothing_of_the_runners(probed: dict[str, Any]) -> None:
    assert "written" not in probed["writes"].values()
    assert probed["volume"] == ["kept", "run"]
    assert probed["archives"] == ["PermissionError"], "of its own tree, which the runner put there"


def test_both_services_that_it_reaches_ask_for_credentials_and_others_are_out_of_reach(probed: dict[str, Any]) -> None:
    assert "NOAUTH" in probed["redis"]
    assert "WRONGPASS" in probed["redis"]
    assert "PONG" not in probed["redis"]
    for call in ("claim", "forged"):
        assert probed[call] in {"401", "403"}, call
    for call in ("api", "explain"):
        assert probed[call] in {"TimeoutError", "URLError"}, call


def test_the_runner_listens_nowhere(probed: dict[str, Any]) -> None:
    assert probed["loopback"] == []


FLOODS = {
    "forks": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n",
    "output": "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n",
    "memory": "import os, time\nfor _ in range(3):\n    os.fork()\nheld = []\n"
    "while True:\n    held.append(bytearray(os.urandom(1024)) * 1024)\n    time.sleep(0.05)\n",
    "disk": "for number in range(10 ** 6):\n    open(f'f{number}', 'wb').write(b'x' * 1024 ** 2)\n",
    "time": "while True:\n    pass\n",
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_ends_its_own_run_and_the_patch_says_that_it_is_unverified(
    forge: Forge, jobs: Jobs, serve: Callable[..., str], what: str
) -> None:
    url = serve({"app.py": UNUSED, "flood.py": FLOODS[what]})
    job = refactored(forge, jobs, url, "python", "flood.py", timeout="20s")
    assert job["status"]["attempts"] == 1
    assert result(forge, job)["tests"]["status"] == "unverified"
    assert "import os" in artifact(forge, job, "changes.patch")
    [pod] = forge.pods(job["metadata"]["name"])
    [sandbox] = pod["status"]["initContainerStatuses"]
    assert sandbox["restartCount"] == 0


def test_a_background_process_holds_no_pod_and_the_job_ends(
    forge: Forge, jobs: Jobs, serve: Callable[..., str]
) -> None:
    job = refactored(forge, jobs, serve({"app.py": UNUSED, "stays.py": STAYS}), "python", "stays.py")
    assert result(forge, job)["tests"]["status"] == "hold"
    name = job["metadata"]["name"]
    wait_until(lambda: {pod["status"]["phase"] for pod in forge.pods(name)} == {"Succeeded"}, what="its pod has ended")


def test_a_change_that_makes_a_test_fail_is_left_out_of_the_patch(
    forge: Forge, jobs: Jobs, serve: Callable[..., str]
) -> None:
    test = "import relied\n\n\ndef test_it():\n    assert relied.json\n"
    url = serve({"relied.py": "import json\n\nX = 1\n", "app.py": UNUSED, "test_it.py": test})
    config = {"imports": ["remove-unused"], "verify": {"pytest": True}}
    job = forge.wait_for(jobs.submit(url, "refactoring", config=config), Phase.COMPLETED, seconds=SECONDS)
    patch = artifact(forge, job, "changes.patch")
    assert "app.py" in patch
    assert "relied.py" not in patch
    assert result(forge, job)["tests"]["status"] == "some-dropped"


def test_a_queue_without_a_sandbox_gives_its_pods_none_and_refuses_to_verify(
    forge: Forge, jobs: Jobs, serve: Callable[..., str]
) -> None:
    queue = jobs.queue("refactoring", sandbox=None)
    config = {"imports": ["remove-unused"], "verify": {"pytest": True}}
    job = forge.wait_for(jobs.submit(serve({"app.py": UNUSED}), queue, config=config), Phase.FAILED)
    assert "no sandbox" in job["status"]["message"]
    [pod] = forge.pods(job["metadata"]["name"])
    assert "initContainers" not in pod["spec"]

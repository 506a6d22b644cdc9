"""Every example is applied and does what it says; only hosts, secrets and images are put in place."""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from forge_core.cluster import analysis_jobs, job_queues
from forge_core.phase import Phase
from tests.conftest import ROOT, Kubectl
from tests.e2e.forge import GIT_HOST, Forge, Jobs
from tests.e2e.hooks import Hooks

pytestmark = pytest.mark.cluster

EXAMPLES = {file.name: file for folder in ("examples", "job-images/*/examples") for file in ROOT.glob(f"{folder}/*")}
SYSTEM = "forge-system"
CODE = {
    "src/app.py": "def f(a):\n    return eval(a)\n\n\nf('1')\n",
    "src/flask/sansio/x.py": "x = 1\n",
    "README.md": "# r\n",
}


@pytest.fixture
def example(forge: Forge) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """`example(file, url)`: its manifests, with the repository's URL put in place; all are gone after the test."""
    loaded: list[dict[str, Any]] = []

    def load(file: str, url: str = "") -> list[dict[str, Any]]:
        manifests: list[dict[str, Any]] = list(yaml.safe_load_all(EXAMPLES[file].read_text()))
        for manifest in manifests:
            if manifest["kind"] == "AnalysisJob" and "repository" in manifest["spec"]:
                manifest["spec"]["repository"]["url"] = url
        loaded.extend(manifests)
        return manifests

    yield load
    for manifest in loaded:
        namespace = manifest["metadata"].get("namespace")
        place = ["-n", namespace] if namespace else []
        forge.kubectl.run(*place, "delete", manifest["kind"], manifest["metadata"]["name"], "--ignore-not-found")


Example = Callable[..., list[dict[str, Any]]]
TRIED = {
    "analysis.yaml", "cancel.yaml", "analysis-of-a-part.yaml", "analysis-gate.yaml", "analysis-layers.yaml",
    "analysis-private.yaml",
    "queue.yaml", "retry.yaml", "usage.yaml", "delivery.yaml", "refactoring-modernize.yaml", "refactoring-rename.yaml",
    "refactoring-extract.yaml", "refactoring-verified.yaml", "purge-dry-run.yaml", "test-generation.yaml",
    "test-generation-of-a-part.yaml",
    "clones.yaml",  # where there is a clone cache: test_clone_cache.py
}  # fmt: skip


def test_there_is_a_test_of_every_example() -> None:
    assert set(EXAMPLES) == TRIED


def test_an_analysis(forge: Forge, kubectl: Kubectl, example: Example, small_repository: str) -> None:
    kubectl.apply(*example("analysis.yaml", small_repository))
    job = forge.wait_for("flask", Phase.COMPLETED)
    assert job["status"]["progress"] == 100


def test_cancelling_it(forge: Forge, kubectl: Kubectl, example: Example, long_repository: str, slow_queue: str) -> None:
    job, cancelled = example("analysis.yaml", long_repository), example("cancel.yaml", long_repository)
    job[0]["spec"]["queue"] = cancelled[0]["spec"]["queue"] = slow_queue
    kubectl.apply(*job)
    forge.running_pod("flask")
    kubectl.apply(*cancelled)
    forge.wait_for("flask", Phase.CANCELLED)


def test_an_analysis_of_a_part(forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]) -> None:
    kubectl.apply(*example("analysis-of-a-part.yaml", serve(CODE)))
    forge.wait_for("flask-sources", Phase.COMPLETED)


def test_an_analysis_with_a_gate_is_completed_and_has_a_verdict(
    forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]
) -> None:
    (job,) = example("analysis-gate.yaml", serve(CODE))
    job["spec"]["config"]["baseline"]["ref"] = "main"  # the server's repositories have this branch only
    kubectl.apply(job)
    summary = forge.wait_for("flask-gate", Phase.COMPLETED)["status"]["summary"]
    assert summary["gate"]["verdict"] == "passed"
    assert (summary["baseline"]["new"]["total"], summary["baseline"]["unchanged"]) == (0, 1)


def test_an_analysis_with_layers_tells_imports_upwards_and_names_that_are_no_modules(
    forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]
) -> None:
    files = {"flask/__init__.py": "", "flask/cli.py": "", "flask/app.py": "from flask import cli\n"}
    kubectl.apply(*example("analysis-layers.yaml", serve(files)))
    summary = forge.wait_for("flask-layers", Phase.COMPLETED)["status"]["summary"]
    assert summary["layers"] == {"importsOfHigherLayers": 1, "unknownNames": 2}


def test_an_analysis_of_a_private_repository(
    forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]
) -> None:
    secret, job = example("analysis-private.yaml", serve(CODE, credentials="forge:change-me"))
    secret["stringData"]["host"] = GIT_HOST
    kubectl.apply(secret, job)
    forge.wait_for("private-project", Phase.COMPLETED)


def test_doing_a_failed_job_again_and_only_once(
    forge: Forge, kubectl: Kubectl, jobs: Jobs, example: Example, small_repository: str
) -> None:
    failed = forge.wait_for(jobs.submit(small_repository, ref="no-such-ref"), Phase.FAILED)
    (retry,) = example("retry.yaml", small_repository)
    retry["spec"]["retryOf"] = failed["metadata"]["uid"]
    kubectl.apply(retry)
    again = jobs.submit(small_repository, retryOf=failed["metadata"]["uid"])
    assert "flask-again" in forge.wait_for(again, Phase.FAILED)["status"]["message"]
    forge.wait_for("flask-again", Phase.COMPLETED)
    assert forge.batch_jobs(again) == []
    with forge.api() as client:
        shown = client.get(f"/analyses/{failed['metadata']['uid']}").json()
        assert shown["retriedBy"] == forge.job("flask-again")["metadata"]["uid"]  # type: ignore[index]


def test_a_queue_of_ones_own(
    forge: Forge, kubectl: Kubectl, jobs: Jobs, example: Example, small_repository: str
) -> None:
    (queue,) = example("queue.yaml")
    queue["spec"]["image"] = kubectl.server.get(job_queues("analysis"))["spec"]["image"]
    kubectl.apply(queue)
    name = jobs.submit(small_repository, queue["metadata"]["name"])
    forge.wait_for(name, Phase.COMPLETED)


def test_a_delivery_by_hand(forge: Forge, kubectl: Kubectl, example: Example, hooks: Hooks) -> None:
    secret, job = example("delivery.yaml")
    path = f"/{uuid.uuid4().hex}"
    secret["stringData"]["url"] = hooks.url(path)
    hooks.expect(secret["stringData"]["secret"])
    kubectl.apply(secret, job)
    forge.wait_for("delivery-example", Phase.COMPLETED)
    (seen,) = hooks.received(path)
    assert (seen["status"], seen["headers"]["webhook-id"]) == (200, "example-1")


OLD = {"src/app.py": "import os\nfrom typing import List\n\ndef f(a: List[int]) -> List[int]:\n    return a\n"}


def test_a_refactoring(forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]) -> None:
    kubectl.apply(*example("refactoring-modernize.yaml", serve(OLD)))
    job = forge.wait_for("flask-modernized", Phase.COMPLETED)
    with forge.api() as client:
        patch = client.get(f"/analyses/{job['metadata']['uid']}/artifacts/changes.patch").text
    assert "-from typing import List" in patch
    assert "+def f(a: list[int]) -> list[int]:" in patch


def test_a_renaming(forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]) -> None:
    code = {"src/flask/__init__.py": "", "src/flask/helpers.py": "def get_debug_flag():\n    return False\n"}
    kubectl.apply(*example("refactoring-rename.yaml", serve(code)))
    forge.wait_for("flask-renamed", Phase.COMPLETED)


def test_an_extraction(forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]) -> None:
    kubectl.apply(*example("refactoring-extract.yaml", serve(CODE)))
    job = forge.wait_for("flask-split", Phase.COMPLETED)
    assert job["status"]["summary"]["message"].startswith("Nothing to change")


def test_a_verified_refactoring(forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str]) -> None:
    code = {"app.py": "import os\nimport sys\n\nprint(sys)\n", "relied.py": "import json\n"}
    tests = {"tests/test_it.py": "import relied\n\n\ndef test_it():\n    assert relied.json\n"}
    kubectl.apply(*example("refactoring-verified.yaml", serve(code | tests)))
    job = forge.wait_for("flask-verified", Phase.COMPLETED, seconds=240)
    with forge.api() as client:
        patch = client.get(f"/analyses/{job['metadata']['uid']}/artifacts/changes.patch").text
    assert "-import os" in patch
    assert "relied.py" not in patch


UNTESTED = "def sign(number: int) -> str:\n    if number < 0:\n        return 'minus'\n    return 'plus'\n"


@pytest.mark.parametrize("file", ["test-generation.yaml", "test-generation-of-a-part.yaml"])
def test_a_test_generation(
    forge: Forge, kubectl: Kubectl, example: Example, serve: Callable[..., str], file: str
) -> None:
    modules = {f"boltons/{module}.py": UNTESTED for module in ("mathutils", "strutils")}
    (job,) = example(file, serve({"boltons/__init__.py": "", **modules}))
    job["spec"]["repository"]["ref"] = "main"  # the server's repositories have this branch only
    job["spec"]["config"]["budget"] = "2m"
    kubectl.apply(job)
    done = forge.wait_for(job["metadata"]["name"], Phase.COMPLETED, seconds=240)
    assert re.search(r"^\d+ tests? raises? line coverage from 0\.0 %", done["status"]["summary"]["message"])
    with forge.api() as client:
        patch = client.get(f"/analyses/{done['metadata']['uid']}/artifacts/tests.patch").text
    assert "+# " in patch
    assert "Covers what nothing covered before: " in patch


@pytest.mark.parametrize(("file", "counts"), [("usage.yaml", "changed"), ("purge-dry-run.yaml", "wouldChange")])
def test_a_clean_up_by_hand(kubectl: Kubectl, example: Example, file: str, counts: str) -> None:
    (job,) = example(file)
    kubectl.apply(job)
    name = job["metadata"]["name"]
    kubectl.run("-n", SYSTEM, "wait", "--for=jsonpath={.status.phase}=Completed", f"aj/{name}", "--timeout=300s")
    assert counts in kubectl.server.get(analysis_jobs(SYSTEM, name))["status"]["summary"]

"""The life of an installation beside another: installed, upgraded, rolled back, uninstalled, installed again.

It has a name of its own, so that neither operator touches the other's tenants; queues are the cluster's.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from forge_core.cluster import analysis_jobs, core
from forge_core.names import INSTALLATION_LABEL
from forge_core.phase import Phase
from tests.builders.chart import CHART
from tests.builders.manifests import analysis_job
from tests.conftest import Kubectl
from tests.e2e.release import Release, second_release
from tests.services.api_server import apps, definition
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

FIELD = "depth"


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Nothing of it is there before the first test, nor after the last."""
    with second_release(kubectl, "second", tmp_path_factory.mktemp("release")) as made:
        yield made


@pytest.fixture
def definitions(kubeconfig: Path) -> Iterator[None]:
    """Those of this clone are back afterwards."""
    yield
    command = [sys.executable, "-m", "forge_core.crds", str(CHART / "crds")]
    subprocess.run(command, env=os.environ | {"KUBECONFIG": str(kubeconfig)}, check=True, timeout=180)


def knows_the_field(kubectl: Kubectl) -> bool:
    """Whether the API server's schema has the field that an upgraded chart brings."""
    found = kubectl.server.get(definition("analysisjobs.forge-factory.dev"))
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return FIELD in spec["properties"]["config"]["properties"]


def applied_definitions(release: Release) -> bool:
    """Whether the last install or upgrade had the hook that applies them."""
    return "name: forge-crds" in release.hooks()


def chart_with_a_new_field(folder: Path) -> Path:
    """The chart as its next version may be: one more field in a definition."""
    copy = folder / "forge-jobs"
    shutil.copytree(CHART, copy)
    file = copy / "crds" / "forge-factory.dev_analysisjobs.yaml"
    definition = yaml.safe_load(file.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["config"]["properties"][FIELD] = {"type": "integer", "minimum": 0, "description": "New."}
    file.write_text(yaml.safe_dump(definition))
    return copy


def test_it_is_installed_beside_another_and_does_its_work(
    release: Release, kubectl: Kubectl, small_repository: str
) -> None:
    release.upgrade()
    assert "Succeeded" in release.helm("test", "--timeout=4m")
    labels = kubectl.server.get(core("namespaces", name=release.tenant_namespace))["metadata"]["labels"]
    assert labels[INSTALLATION_LABEL] == "second"
    job = analysis_job(release.tenant_namespace, "first", repository__url=small_repository)
    kubectl.apply(job)
    wait_until(lambda: phase(release) == Phase.COMPLETED, 180, "the second installation's job completes")


def phase(release: Release) -> str:
    job = release.kubectl.server.get(analysis_jobs(release.tenant_namespace, "first"))
    return str(job.get("status", {}).get("phase", ""))


def test_an_upgrade_brings_new_fields_and_keeps_what_was_generated(
    release: Release, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = release.secrets()
    assert len(before) == 5
    assert not knows_the_field(kubectl)
    release.upgrade(chart_with_a_new_field(tmp_path), "--set=logLevel=DEBUG")
    assert knows_the_field(kubectl)
    assert release.secrets() == before
    assert "Succeeded" in release.helm("test", "--timeout=4m")


def test_a_rollback_goes_back_and_keeps_definitions_and_passwords(release: Release, kubectl: Kubectl) -> None:
    before = release.secrets()
    release.helm("rollback", "1", "--wait", "--timeout=5m")
    assert release.secrets() == before
    deployed = kubectl.server.get(apps("deployments", release.namespace, "forge-operator"))
    containers = deployed["spec"]["template"]["spec"]["containers"]
    level = next(item for item in containers[0]["env"] if item["name"] == "FORGE_LOG_LEVEL")
    assert level["value"] == "INFO"
    assert knows_the_field(kubectl), "a definition is never set back: jobs may use the field already"


def test_the_definitions_are_those_of_the_last_upgrade(release: Release, kubectl: Kubectl) -> None:
    release.upgrade()
    assert not knows_the_field(kubectl)


def test_definitions_that_are_there_already_need_no_hook(release: Release) -> None:
    assert applied_definitions(release)
    release.upgrade()
    assert not applied_definitions(release)


def test_what_somebody_changed_in_a_definition_is_set_back(release: Release, kubectl: Kubectl) -> None:
    name, path = "jobqueues.forge-factory.dev", "/spec/versions/0/schema/openAPIV3Schema/description"
    patch = [{"op": "replace", "path": path, "value": "Changed by hand."}]
    kubectl.run("patch", "crd", name, "--type=json", "-p", json.dumps(patch))
    release.upgrade()
    assert applied_definitions(release)
    found = kubectl.server.get(definition(name))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert found["description"] != "Changed by hand."
    release.upgrade()
    assert not applied_definitions(release)


def test_uninstalling_leaves_definitions_jobs_and_the_databases_password(release: Release, kubectl: Kubectl) -> None:
    password = release.secrets()[f"{release.namespace}/forge-postgres"]["password"]
    release.helm("uninstall", "--wait", "--timeout=4m")
    for name in ("analysisjobs.forge-factory.dev", "jobqueues.forge-factory.dev"):
        assert kubectl.server.read(definition(name))
    assert phase(release) == Phase.COMPLETED
    assert set(release.secrets()) == {f"{release.namespace}/forge-postgres"}
    assert release.secrets()[f"{release.namespace}/forge-postgres"]["password"] == password
    for kind in ("clusterrole", "clusterrolebinding", "priorityclass", "validatingadmissionpolicy"):
        assert release.names(kind) == set()


def test_a_newer_one_is_installed_again_on_the_same_history(
    release: Release, kubectl: Kubectl, tmp_path: Path, definitions: None
) -> None:
    release.upgrade(chart_with_a_new_field(tmp_path))
    assert knows_the_field(kubectl)
    url = base64.b64decode(release.secrets()[f"{release.namespace}/forge-postgres"]["url"]).decode()
    assert url.startswith("postgresql://forge:")
    rows = kubectl.run(
        "-n", release.namespace, "exec", "forge-postgres-0", "--",
        "psql", "-h", "/tmp", "-U", "forge", "-d", "forge", "-tAc", "select name from jobs",
    )  # fmt: skip
    assert rows.stdout.split() == ["first"]

"""docs/adding-a-kind.md on the real cluster: its folder becomes an image, and jobs of its queue end well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_core.phase import Phase
from tests.builders.new_kind import NewKind, new_kind
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import Forge, Jobs
from tests.services.docker import docker

pytestmark = pytest.mark.cluster

CODE = {"app/main.py": "import os\n\nprint(os.name)\n", "app/page.html": "<p>\n", "lib/__init__.py": ""}


@pytest.fixture
def added(tmp_path: Path) -> NewKind:
    """The project with the page's kind, its definitions composed."""
    made = new_kind(tmp_path)
    assert made.compose().returncode == 0
    return made


def image_of(added: NewKind) -> str:
    """Built and pushed to the registry that the nodes know; named by what is in it, so that a repeat adds nothing."""
    registry = (LOCAL / "rehearsal-image").read_text().partition("/")[0]
    built = docker("build", "-q", "-f", str(added.folder / "Dockerfile"), str(added.root), seconds=240)
    identity = built.removeprefix("sha256:")
    name = f"{registry}/forge-runner-line-count:{identity[:12]}"
    docker("tag", identity, name)
    docker("push", "-q", name)
    docker("rmi", name)
    return name


def test_a_sixth_kind_is_one_folder(
    forge: Forge, kubectl: Kubectl, jobs: Jobs, added: NewKind, serve: Callable[..., str]
) -> None:
    definition = added.root / "crds/forge-factory.dev_analysisjobs.yaml"
    kubectl.run("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(definition))

    spec = added.queue["spec"]
    queue = jobs.queue(**spec | {"image": image_of(added), "paused": False})
    name = jobs.submit(serve(CODE), queue)
    job = forge.wait_for(name, Phase.COMPLETED)
    assert job["status"]["summary"] == {"lines": {".py": 3}}
    refused = forge.wait_for(jobs.submit(serve({"README": "nothing\n"}), queue), Phase.FAILED)
    assert "No file ends in .py." in refused["status"]["message"]
    assert refused["status"]["attempts"] == 1

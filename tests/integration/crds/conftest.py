"""The definitions on the real API server, and a namespace that no operator looks at."""

from collections.abc import Iterator

import pytest

from forge_core.crds import established, read
from forge_core.names import INSTALLATION_LABEL, TENANT_LABEL
from tests.conftest import ROOT, Kubectl


@pytest.fixture(scope="session")
def definitions(kubectl: Kubectl) -> None:
    """`crds/`, as `make install` has applied it. Not again here: beside these runs a test that upgrades a chart."""
    found = kubectl.get("crd", *(each["metadata"]["name"] for each in read(ROOT / "crds")))
    assert all(established(each) for each in found["items"])


@pytest.fixture(scope="module")
def place(kubectl: Kubectl, definitions: None) -> Iterator[str]:
    """A namespace of an installation that isn't there, for the tests of one module: no operator touches its jobs."""
    name = "test-definitions"
    kubectl.run("delete", "namespace", name, "--ignore-not-found")
    labels = {TENANT_LABEL: name, INSTALLATION_LABEL: name}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def queues(kubectl: Kubectl, definitions: None) -> Iterator[list[str]]:
    """Names of JobQueues that a test makes: gone after it."""
    made: list[str] = []
    yield made
    for name in made:
        kubectl.run("delete", "jobqueue", name, "--ignore-not-found")

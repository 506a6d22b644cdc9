"""The definitions on the real API server, and a namespace that no operator looks at."""

from collections.abc import Iterator

import pytest

from forge_core.cluster import core, job_queues
from forge_core.crds import established, read
from forge_core.names import INSTALLATION_LABEL, TENANT_LABEL
from tests.conftest import ROOT, Kubectl
from tests.services.api_server import definition


@pytest.fixture(scope="session")
def definitions(kubectl: Kubectl) -> None:
    """`crds/`, as `make install` has applied it. Not again here: beside these runs a test that upgrades a chart."""
    assert all(established(kubectl.server.get(definition(each["metadata"]["name"]))) for each in read(ROOT / "crds"))


@pytest.fixture(scope="module")
def place(kubectl: Kubectl, definitions: None) -> Iterator[str]:
    """A namespace of an installation that isn't there, for the tests of one module: no operator touches its jobs."""
    name = "test-definitions"
    kubectl.server.delete(core("namespaces", name=name))
    labels = {TENANT_LABEL: name, INSTALLATION_LABEL: name}
    kubectl.server.namespace(name, labels)
    yield name
    kubectl.server.delete(core("namespaces", name=name), wait=False)


@pytest.fixture
def queues(kubectl: Kubectl, definitions: None) -> Iterator[list[str]]:
    """Names of JobQueues that a test makes: gone after it."""
    made: list[str] = []
    yield made
    for name in made:
        kubectl.server.delete(job_queues(name))

"""What every test may ask for: asyncio for coroutine tests, and the cluster that `make up` brought up."""

import gc
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

from forge_core.cluster import core
from tests.services.api_server import ApiServer

ROOT = Path(__file__).parent.parent
LOCAL = ROOT / ".local"
# A busy machine is no failure: nothing here is judged by the time it takes.
settings.register_profile("forge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("forge")


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: the garbage collector needn't look at it again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio."""
    return "asyncio"


def program(name: str) -> str:
    """The program that `make up` brought to .local/bin, or else the machine's own."""
    ours = LOCAL / "bin" / name
    return str(ours) if ours.exists() else name


@dataclass(frozen=True)
class Kubectl:
    """kubectl against this clone's cluster, as its administrator.

    For what a person does with kubectl, and what needs it (`exec`, `logs`); all else by `server`.
    """

    kubeconfig: Path

    @property
    def server(self) -> ApiServer:
        """The same without a process for each call."""
        return ApiServer(self.kubeconfig)

    def command(self, *arguments: str) -> list[str]:
        """What to execute for a call."""
        return [program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """One call. Raises AssertionError with what kubectl said when it fails and `check` is true."""
        command = self.command(*arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=330, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(arguments)}: {done.stderr.strip()}"
        return done

    def apply(self, *manifests: dict[str, Any], check: bool = True) -> subprocess.CompletedProcess[str]:
        """`kubectl apply -f -` of the manifests."""
        return self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests), check=check)


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of this clone's cluster; there is no test of the cluster without one."""
    path = LOCAL / "kubeconfig"
    assert path.exists(), "no cluster: `make up` brings one up"
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """kubectl as the cluster's administrator."""
    return Kubectl(kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A fresh namespace, gone after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl.server.namespace(name)
    yield name
    kubectl.server.delete(core("namespaces", name=name), wait=False)

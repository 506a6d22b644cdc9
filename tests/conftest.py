"""What every test may ask for: asyncio for coroutine tests, and the cluster that `make up` brought up."""

import gc
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

from tests.services.api_server import read

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
    """kubectl against this clone's cluster, as its administrator."""

    kubeconfig: Path

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """One call. Raises AssertionError with what kubectl said when it fails and `check` is true."""
        command = [program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=330, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(arguments)}: {done.stderr.strip()}"
        return done

    def get(self, *arguments: str) -> Any:
        """The JSON of `kubectl get`."""
        return json.loads(self.run("get", *arguments, "-o", "json").stdout)

    def read(self, path: str, **query: str) -> Any:
        """What the API server has at a path, None when there is nothing: a cheap look, for what is waited for."""
        return read(self.kubeconfig, path, **query)

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
    kubectl.run("create", "namespace", name)
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")

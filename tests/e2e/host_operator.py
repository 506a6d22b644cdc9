"""The operator of an installation as a process of this machine, behind whatever proxies a test puts before it.

It runs the same program with the same environment and the same rights (a token of its ServiceAccount) as in the
cluster, where its Deployment has no replicas.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import yaml

from forge_core.cluster import core
from tests.e2e.release import Place, Release
from tests.services.api_server import apps
from tests.services.forked import Forked
from tests.services.ports import free_port

DEPLOYMENT: Final = "deployment/forge-operator"


class HostOperator:
    """Starts, kills and starts again; what they all said is in `log`."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._environment = environment
        self._process: Forked | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the program; one that was killed must be reaped first."""
        assert self._process is None
        self._process = Forked.program("forge_operator.program", self._environment, self.log)

    def reap(self) -> int:
        """Wait for its end; the exit code (-9 when it was killed)."""
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        return code

    def stop(self) -> None:
        """Kill it if it runs."""
        if self._process:
            self._process.kill()
            self.reap()


@dataclass(frozen=True)
class Ways:
    """By which ports of the loopback the operator reaches the API server and, if not straight, PostgreSQL."""

    api: int
    database: int | None = None


@contextmanager
def host_operator(release: Release, folder: Path, ways: Ways) -> Iterator[HostOperator]:
    """Not yet started."""
    environment = _environment(release)
    database = Place("127.0.0.1", ways.database) if ways.database else release.exposed("forge-postgres", 5432)
    environment["KUBECONFIG"] = str(_kubeconfig(release, folder, ways.api))
    environment["FORGE_DATABASE_URL"] = _at(environment["FORGE_DATABASE_URL"], database)
    environment["FORGE_REDIS_URL"] = _at(environment["FORGE_REDIS_URL"], release.exposed("forge-redis", 6379))
    environment["FORGE_API_URL"] = f"http://{release.exposed('forge-api-internal', 8081)}"
    environment["FORGE_PORT"] = str(free_port())
    operator = HostOperator(environment, folder / "operator.log")
    try:
        yield operator
    finally:
        operator.stop()


def _environment(release: Release) -> dict[str, str]:
    """The variables of the operator's container, secrets resolved."""
    kubectl, namespace = release.kubectl, release.namespace
    template = kubectl.server.get(apps("deployments", namespace, "forge-operator"))["spec"]["template"]["spec"]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}
    for entry in template["containers"][0].get("env", []):
        source: dict[str, Any] = entry.get("valueFrom", {})
        if "value" in entry:
            variables[entry["name"]] = entry["value"]
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            secret = kubectl.server.get(core("secrets", namespace, reference["name"]))
            variables[entry["name"]] = base64.b64decode(secret["data"][reference["key"]]).decode()
    variables["FORGE_NAMESPACE"] = namespace
    variables["FORGE_POD_NAME"] = "operator-on-the-host"
    return {name: _expanded(value, variables) for name, value in variables.items()}


def _expanded(value: str, variables: dict[str, str]) -> str:
    """Kubernetes' $(NAME) in a value."""
    for name, replacement in variables.items():
        value = value.replace(f"$({name})", replacement)
    return value


def _at(url: str, place: Place) -> str:
    """The same URL at another place."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user + '@' if user else ''}{place}"))


def _kubeconfig(release: Release, folder: Path, port: int) -> Path:
    token = release.kubectl.server.token(release.namespace, "forge-operator", expirationSeconds=7200)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "operator"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path

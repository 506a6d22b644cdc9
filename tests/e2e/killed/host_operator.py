"""The operator of an installation as a process of this machine, with a killing proxy before each thing it writes to.

It runs the same program with the same environment and the same rights (a token of its ServiceAccount) as in the
cluster, where its Deployment has no replicas.
"""

import base64
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import yaml

from tests.conftest import LOCAL, Kubectl
from tests.e2e.killed.proxy import KillingProxy
from tests.e2e.killed.wire import KillingWire, killing_wire
from tests.e2e.release import Release
from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until

DEPLOYMENT: Final = "deployment/forge-operator"
INTERNAL_API: Final = "test-api-internal"


class HostOperator:
    """Starts, kills and starts again."""

    def __init__(self, environment: dict[str, str], api: KillingProxy, database: KillingWire, log: Path) -> None:
        self._environment = environment
        self.api = api
        self.database = database
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the program; one that was killed must be reaped first."""
        assert self._process is None
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "forge_operator"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def reap(self) -> int:
        """Wait for its end; the exit code (-9 when it was killed)."""
        assert self._process is not None
        code = self._process.wait(60)
        self._process = None
        return code

    def stop(self) -> None:
        """Kill it if it runs."""
        if self._process:
            self._process.kill()
            self.reap()


@contextmanager
def host_operator(release: Release, folder: Path) -> Iterator[HostOperator]:
    """Not yet started."""
    environment = _environment(release)
    with ExitStack() as stack:
        proxy = stack.enter_context(_api_proxy(release.kubectl))
        wire = stack.enter_context(killing_wire(stack.enter_context(_forward(release, "forge-postgres", 5432))))
        redis = stack.enter_context(_forward(release, "forge-redis", 6379))
        environment["KUBECONFIG"] = str(_kubeconfig(release, folder, proxy.port))
        environment["FORGE_DATABASE_URL"] = _at(environment["FORGE_DATABASE_URL"], wire.port)
        environment["FORGE_REDIS_URL"] = _at(environment["FORGE_REDIS_URL"], redis)
        environment["FORGE_API_URL"] = _api_for_both(release)
        environment["FORGE_PORT"] = str(free_port())
        operator = HostOperator(environment, proxy, wire, folder / "operator.log")
        stack.callback(operator.stop)
        yield operator


def _environment(release: Release) -> dict[str, str]:
    """The variables of the operator's container, secrets resolved."""
    kubectl, namespace = release.kubectl, release.namespace
    template = kubectl.get("-n", namespace, DEPLOYMENT)["spec"]["template"]["spec"]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}
    for entry in template["containers"][0].get("env", []):
        source: dict[str, Any] = entry.get("valueFrom", {})
        if "value" in entry:
            variables[entry["name"]] = entry["value"]
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            secret = kubectl.get("-n", namespace, "secret", reference["name"])
            variables[entry["name"]] = base64.b64decode(secret["data"][reference["key"]]).decode()
    variables["FORGE_NAMESPACE"] = namespace
    variables["FORGE_POD_NAME"] = "operator-on-the-host"
    return {name: _expanded(value, variables) for name, value in variables.items()}


def _expanded(value: str, variables: dict[str, str]) -> str:
    """Kubernetes' $(NAME) in a value."""
    for name, replacement in variables.items():
        value = value.replace(f"$({name})", replacement)
    return value


def _at(url: str, port: int) -> str:
    """The same URL at a port of the loopback."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user + '@' if user else ''}127.0.0.1:{port}"))


@contextmanager
def _forward(release: Release, service: str, port: int) -> Iterator[int]:
    local, program = free_port(), LOCAL / "bin" / "kubectl"
    command = [str(program) if program.exists() else "kubectl", f"--kubeconfig={release.kubectl.kubeconfig}"]
    command += ["-n", release.namespace, "port-forward", f"service/{service}", f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listening(local), what=f"{service} is forwarded")
            yield local
        finally:
            process.terminate()


def _api_for_both(release: Release) -> str:
    """The API's internal port under an address that this machine and the pods can reach: a port of the nodes."""
    kubectl, namespace = release.kubectl, release.namespace
    selector = kubectl.get("-n", namespace, "service", "forge-api-internal")["spec"]["selector"]
    spec = {"type": "NodePort", "selector": selector, "ports": [{"port": 8081, "targetPort": 8081}]}
    metadata = {"name": INTERNAL_API, "namespace": namespace}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    node = kubectl.get("nodes")["items"][0]
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    service = kubectl.get("-n", namespace, "service", INTERNAL_API)
    return f"http://{address}:{service['spec']['ports'][0]['nodePort']}"


@contextmanager
def _api_proxy(kubectl: Kubectl) -> Iterator[KillingProxy]:
    cluster = yaml.safe_load(kubectl.kubeconfig.read_text())["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with KillingProxy(cluster["server"], trust).running() as proxy:
        yield proxy


def _kubeconfig(release: Release, folder: Path, port: int) -> Path:
    place = ("-n", release.namespace)
    token = release.kubectl.run(*place, "create", "token", "forge-operator", "--duration=2h").stdout.strip()
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

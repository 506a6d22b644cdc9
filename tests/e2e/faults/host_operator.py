"""The operator as a process of this machine, with a killing proxy before each thing it writes to.

It runs the same program with the same environment and the same rights (a token of its ServiceAccount) as in the
cluster, whose own operator is scaled to none meanwhile.
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
from tests.e2e.faults.proxy import KillingProxy
from tests.e2e.faults.wire import KillingWire
from tests.e2e.forge import RELEASE_NAMESPACE
from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until

DEPLOYMENT: Final = "deployment/forge-operator"


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
def host_operator(kubectl: Kubectl, folder: Path) -> Iterator[HostOperator]:
    """The cluster's operator is away while this one is there, and back afterwards."""
    environment = _environment(kubectl)
    with ExitStack() as stack:
        proxy = stack.enter_context(_api_proxy(kubectl))
        wire = stack.enter_context(
            KillingWire(stack.enter_context(_forward(kubectl, "forge-postgres", 5432))).running()
        )
        redis = stack.enter_context(_forward(kubectl, "forge-redis", 6379))
        environment["KUBECONFIG"] = str(_kubeconfig(kubectl, folder, proxy.port))
        environment["FORGE_DATABASE_URL"] = _at(environment["FORGE_DATABASE_URL"], wire.port)
        environment["FORGE_REDIS_URL"] = _at(environment["FORGE_REDIS_URL"], redis)
        environment["FORGE_API_URL"] = stack.enter_context(_api_for_both(kubectl))
        environment["FORGE_PORT"] = str(free_port())
        stack.enter_context(_cluster_operator_away(kubectl))
        operator = HostOperator(environment, proxy, wire, folder / "operator.log")
        stack.callback(operator.stop)
        yield operator


@contextmanager
def _cluster_operator_away(kubectl: Kubectl) -> Iterator[None]:
    selector = "app.kubernetes.io/component=operator"
    kubectl.run("-n", RELEASE_NAMESPACE, "scale", DEPLOYMENT, "--replicas=0")
    try:
        kubectl.run("-n", RELEASE_NAMESPACE, "wait", "pod", "-l", selector, "--for=delete", "--timeout=60s")
        yield
    finally:
        kubectl.run("-n", RELEASE_NAMESPACE, "scale", DEPLOYMENT, "--replicas=1")
        kubectl.run("-n", RELEASE_NAMESPACE, "rollout", "status", DEPLOYMENT, "--timeout=120s")


def _environment(kubectl: Kubectl) -> dict[str, str]:
    """The variables of the operator's container, secrets resolved."""
    template = kubectl.get("-n", RELEASE_NAMESPACE, DEPLOYMENT)["spec"]["template"]["spec"]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}
    for entry in template["containers"][0].get("env", []):
        source: dict[str, Any] = entry.get("valueFrom", {})
        if "value" in entry:
            variables[entry["name"]] = entry["value"]
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            secret = kubectl.get("-n", RELEASE_NAMESPACE, "secret", reference["name"])
            variables[entry["name"]] = base64.b64decode(secret["data"][reference["key"]]).decode()
    variables["FORGE_NAMESPACE"] = RELEASE_NAMESPACE
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
def _forward(kubectl: Kubectl, service: str, port: int) -> Iterator[int]:
    local, program = free_port(), LOCAL / "bin" / "kubectl"
    command = [str(program) if program.exists() else "kubectl", f"--kubeconfig={kubectl.kubeconfig}"]
    command += ["-n", RELEASE_NAMESPACE, "port-forward", f"service/{service}", f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listening(local), what=f"{service} is forwarded")
            yield local
        finally:
            process.terminate()


@contextmanager
def _api_for_both(kubectl: Kubectl) -> Iterator[str]:
    """The API's internal port under an address that this machine and the pods can reach: a port of the nodes."""
    name = "e2e-api-internal"
    selector = kubectl.get("-n", RELEASE_NAMESPACE, "service", "forge-api-internal")["spec"]["selector"]
    port = {"port": 8081, "targetPort": 8081}
    metadata = {"name": name, "namespace": RELEASE_NAMESPACE}
    spec = {"type": "NodePort", "selector": selector, "ports": [port]}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    try:
        node = kubectl.get("nodes")["items"][0]
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        service = kubectl.get("-n", RELEASE_NAMESPACE, "service", name)
        yield f"http://{address}:{service['spec']['ports'][0]['nodePort']}"
    finally:
        kubectl.run("-n", RELEASE_NAMESPACE, "delete", "service", name)


@contextmanager
def _api_proxy(kubectl: Kubectl) -> Iterator[KillingProxy]:
    cluster = yaml.safe_load(kubectl.kubeconfig.read_text())["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with KillingProxy(cluster["server"], trust).running() as proxy:
        yield proxy


def _kubeconfig(kubectl: Kubectl, folder: Path, port: int) -> Path:
    token = kubectl.run("-n", RELEASE_NAMESPACE, "create", "token", "forge-operator", "--duration=2h").stdout.strip()
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

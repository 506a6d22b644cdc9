"""Where in the cluster one stands, and what can be connected to from there."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.conftest import LOCAL, Kubectl

SECONDS: Final = 4
"""A connection that is allowed takes milliseconds. Its first packet is sent again after 1 s and after 3 s."""
PORT: Final = 8000
"""Where a standing pod listens."""
Outcome = Literal["open", "refused", "silent"]
_TRY: Final = """
for place in "$@"; do
  (timeout "$SECONDS_EACH" bash -c "exec 3<>/dev/tcp/${place/:/\\/}" 2>/dev/null
   case $? in 0) echo "$place open" ;; 124) echo "$place silent" ;; *) echo "$place refused" ;; esac) &
done
wait
"""
"""All at once. Dropped packets are silence; a refusal is an answer, so it was let through."""


@dataclass(frozen=True)
class Place:
    """A container of a pod."""

    kubectl: Kubectl
    namespace: str
    pod: str

    def ready(self) -> None:
        """Wait until it listens; by then its address is known."""
        place = ("-n", self.namespace, "wait", f"pod/{self.pod}")
        self.kubectl.run(*place, "--for=condition=Ready", "--timeout=120s")

    def tries(self, *targets: str) -> dict[str, Outcome]:
        """What becomes of a TCP connection to each `address:port`, in the order given."""
        command = ("env", f"SECONDS_EACH={SECONDS}", "bash", "-c", _TRY, "bash", *targets)
        done = self.kubectl.run("-n", self.namespace, "exec", self.pod, "--", *command)
        found: dict[str, Outcome] = {}
        for line in done.stdout.splitlines():
            target, _, outcome = line.partition(" ")
            assert outcome in {"open", "refused", "silent"}, line
            found[target] = outcome  # type: ignore[assignment]  # one of them, as was just seen
        return {target: found[target] for target in targets}


def listening(name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """The manifest of a pod that listens on PORT, under Pod Security `restricted`."""
    image = (LOCAL / "git-server-image").read_text().strip()
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "stands", "image": image, "command": ["python", "-m", "http.server", str(PORT)],
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
                },
            }],
        },
    }  # fmt: skip

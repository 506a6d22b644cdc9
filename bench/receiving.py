"""A receiver of webhooks in the cluster, for benchmarks and end-to-end tests: tests/services/receiver.py in a pod.

The pod's image is the deliveries' own runner: it has Python, and is on the nodes already.
"""

from typing import Any, Final

from bench.place import ROOT
from forge_core.cluster import Raw

NAMESPACE: Final = "hooks"
NAME: Final = "webhook-receiver"
HOST: Final = f"{NAME}.{NAMESPACE}.svc"
"""values-local.yaml allows it and lets runners out to it."""
URL: Final = f"http://{HOST}"
RECEIVED: Final = f"/api/v1/namespaces/{NAMESPACE}/services/http:{NAME}:80/proxy/received"
"""For `kubectl get --raw`: what was received so far, in JSON."""
_SCRIPT: Final = ROOT / "tests/services/receiver.py"


def manifests(image: str) -> list[Raw]:
    """The namespace and what is in it."""
    named: dict[str, Any] = {"name": NAME, "namespace": NAMESPACE}
    return [
        {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"receiver.py": _SCRIPT.read_text()}},
        {
            "apiVersion": "v1", "kind": "Service", "metadata": named,
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": named,
            "spec": {
                "selector": {"matchLabels": {"app": NAME}},
                "template": {"metadata": {"labels": {"app": NAME}}, "spec": _pod(image)},
            },
        },
    ]  # fmt: skip


def _pod(image: str) -> Raw:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},  # the worker is for runners, and may be stopped
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "receiver",
                "image": image,
                "command": ["python", "/receiver/receiver.py", "8080"],
                "readinessProbe": {"httpGet": {"path": "/received", "port": 8080}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "receiver", "mountPath": "/receiver"}],
            }
        ],
        "volumes": [{"name": "receiver", "configMap": {"name": NAME}}],
    }

"""A receiver of webhooks in the cluster, for benchmarks and end-to-end tests: tests/services/receiver.py in a pod.

The pod's image is the deliveries' own runner: it has Python, and is on the nodes already.
"""

import json
from string import Template
from typing import Any, Final

import yaml

from bench.place import ROOT
from forge_core.cluster import Raw

NAMESPACE: Final = "hooks"
NAME: Final = "webhook-receiver"
HOST: Final = f"{NAME}.{NAMESPACE}.svc"
"""values-local.yaml allows it and lets runners out to it."""
URL: Final = f"http://{HOST}"
RECEIVED: Final = f"/api/v1/namespaces/{NAMESPACE}/services/http:{NAME}:80/proxy/received"
"""What was received so far, in JSON: behind the API server."""
_SCRIPT: Final = ROOT / "tests/services/receiver.py"
_MANIFESTS: Final = ROOT / "tests/services/receiver.yaml"


def manifests(image: str) -> list[Raw]:
    """The namespace and what is in it."""
    script = json.dumps(_SCRIPT.read_text())
    text = Template(_MANIFESTS.read_text()).substitute(namespace=NAMESPACE, name=NAME, image=image, script=script)
    return list(yaml.safe_load_all(text))


def calls(received: Any, path: str) -> list[Raw]:
    """Those of one path, of what is found at RECEIVED, the first one first."""
    return [seen for seen in received if seen["path"] == path]

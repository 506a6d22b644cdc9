"""A second container for pods whose queue has a sandbox: code of a repository runs in it alone (ADR 0022).

A native sidecar (KEP-753): it starts before the runner and is ended once that has. Its UID is the job's own, for the
kernel counts processes by UID over all pods of a node.
"""

import hashlib
from typing import Final

from forge_core.assignment import Sandbox
from forge_core.cluster import Raw
from forge_core.names import SANDBOX_CONTAINER, SANDBOX_PATH
from forge_core.resource import QueueSpec

FIRST_UID: Final = 100_000
LAST_UID: Final = 2_000_000_000
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - mounted over: the pod's own is shared with the runner
_VOLUME: Final = "sandbox"
_SCRATCH: Final = "sandbox-shm"
_PROGRAM: Final = ("python", "-P", "-m", "forge_sandbox", SANDBOX_PATH, _SHARED_MEMORY)


def sandbox_containers(queue: QueueSpec, job_uid: str) -> list[Raw]:
    """For the pod's `initContainers`."""
    if queue.sandbox is None:
        return []
    own_id = _uid(job_uid)
    container = {
        "name": SANDBOX_CONTAINER,
        "image": queue.image,
        "command": list(_PROGRAM),
        "restartPolicy": "Always",
        "resources": {"requests": queue.sandbox.requests or queue.sandbox.limits, "limits": queue.sandbox.limits},
        "volumeMounts": [
            {"name": _VOLUME, "mountPath": SANDBOX_PATH},
            {"name": _SCRATCH, "mountPath": _SHARED_MEMORY},
        ],
        "securityContext": {
            "runAsUser": own_id,
            "runAsGroup": own_id,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return [container]


def shared_mounts(queue: QueueSpec) -> list[Raw]:
    """What the runner mounts of it."""
    return [{"name": _VOLUME, "mountPath": SANDBOX_PATH}] if queue.sandbox else []


def sandbox_volumes(queue: QueueSpec) -> list[Raw]:
    """In memory: the kernel refuses what is over their size at once, and no kubelet evicts the pod for it."""
    if queue.sandbox is None:
        return []
    sizes = {_VOLUME: queue.sandbox.volume_size, _SCRATCH: "64Mi"}
    return [{"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size}} for name, size in sizes.items()]


def terms_of(queue: QueueSpec) -> Sandbox | None:
    """What the runner is told of it."""
    if queue.sandbox is None:
        return None
    return Sandbox(index=queue.sandbox.packages.index if queue.sandbox.packages else "")


def _uid(job_uid: str) -> int:
    number = int.from_bytes(hashlib.sha256(job_uid.encode()).digest()[:8], "big")
    return FIRST_UID + number % (LAST_UID - FIRST_UID)

"""The queues of the cluster, as far as a submission needs them: which there are, and whom each serves."""

from forge_api.looked_up import LookedUp
from forge_api.problems import Problem
from forge_api.tenants import Labels
from forge_core.cluster import Raw, job_queues
from forge_core.kube import Kubernetes
from forge_core.resource import Invalid, QueueSpec


class Queues:
    """As the cluster said lately; the operator and the admission policy look again when a job reaches them."""

    def __init__(self, kube: Kubernetes) -> None:
        self._found = LookedUp(kube, job_queues(), _by_name)

    async def serving(self, name: str, namespace: str, labels: Labels) -> QueueSpec:
        """The queue, for a job of the namespace with these labels.

        Raises Problem 404 (no such queue), 403 (it serves other namespaces), 409 (it can't be used); ClusterError.
        """
        spec = await self._found.get(name)
        if spec is None:
            raise Problem(404, "Queue not found")
        if isinstance(spec, Invalid):
            raise Problem(409, f"Queue {name} can't be used: {spec}", code="queue-invalid")
        if not _serves(spec, labels):
            said = f"Queue {name} does not serve namespace {namespace}: use another queue, or ask an administrator."
            raise Problem(403, said, code="queue-not-served")
        return spec


def _serves(spec: QueueSpec, labels: Labels) -> bool:
    """As the admission policy has it; a selector in other words than the definition knows serves nobody."""
    wanted = spec.namespace_selector.get("matchLabels") or {}
    if set(spec.namespace_selector) - {"matchLabels"} or not isinstance(wanted, dict):
        return False
    return all(labels.get(key) == value for key, value in wanted.items())


def _by_name(items: list[Raw]) -> dict[str, QueueSpec | Invalid]:
    return {str(item["metadata"]["name"]): _read(item) for item in items}


def _read(item: Raw) -> QueueSpec | Invalid:
    try:
        return QueueSpec.read(item.get("spec"))
    except Invalid as error:
        return error

"""Pods that can't finish terminating because their node is gone.

With `podReplacementPolicy: Failed` such a pod blocks its successor for ever (measured: a forced deletion changes
nothing, for the Job's finalizer holds it). Past its grace by a minute, on a node that isn't ready, it is declared
Failed, and then deleted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from forge_operator.actions import DeletePod, FailPod
from forge_operator.digests import NODE_LOST
from forge_operator.picture import Picture

PATIENCE: Final = timedelta(seconds=60)


def lost_pods(picture: Picture, now: datetime) -> Iterator[FailPod | DeletePod]:
    """What to do about pods on lost nodes. A deletionTimestamp is the end of the grace period."""
    for pod in picture.pods.ending.values():
        if pod.deleted_at is None or now < pod.deleted_at + PATIENCE or picture.owner_of(pod) is None:
            continue
        node = picture.nodes.get(pod.node)
        if not pod.node or (node is not None and node.ready):
            continue
        if pod.live:
            message = f"Node {pod.node} is not ready, and the pod did not end within its grace period"
            yield FailPod(pod.namespace, pod.name, pod.uid, pod.version, NODE_LOST, message, bool(pod.disruption))
        else:
            yield DeletePod(pod.namespace, pod.name, pod.uid)

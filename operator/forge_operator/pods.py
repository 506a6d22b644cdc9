"""The pods of our Jobs: those that are there, those that were deleted meanwhile, and what is still owed for them."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from forge_operator.digests import PodDigest
from forge_operator.placing import Owner
from forge_operator.unschedulable import Amounts

REMEMBERED: Final = 20
"""Ended pods remembered for one Job after their deletion."""


class Pods:
    """Keyed by (namespace, UID of the Job) that a pod says it belongs to."""

    def __init__(self) -> None:
        self.ending: dict[str, PodDigest] = {}
        """Pods that are marked for deletion and still there, by UID."""
        self.unrefunded: dict[str, PodDigest] = {}
        """Pods that a disruption ended and whose refund isn't recorded, by UID."""
        self._there: dict[Owner, dict[str, PodDigest]] = defaultdict(dict)
        self._gone: dict[Owner, dict[str, PodDigest]] = defaultdict(dict)
        self._refunded: set[str] = set()
        self._asked: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def asked_on(self, node: str) -> Amounts:
        """What our live pods on a node ask for."""
        return Amounts(*self._asked[node]) if node in self._asked else Amounts()

    def of(self, job: Owner) -> Collection[PodDigest]:
        """Those that are there."""
        return self._there.get(job, _NOBODY).values()

    def ever_of(self, job: Owner) -> list[PodDigest]:
        """Also those that were deleted, in no order."""
        return list({**self._gone.get(job, _NOBODY), **self._there.get(job, _NOBODY)}.values())

    def put(self, pod: PodDigest) -> None:
        """A pod as it is now."""
        there = self._there[_owner(pod)]
        self._count(there.get(pod.uid), -1)
        self._count(pod, 1)
        there[pod.uid] = pod
        if pod.disruption and pod.phase != "Succeeded" and pod.uid not in self._refunded:
            self.unrefunded[pod.uid] = pod
        if pod.deleted_at is not None:
            self.ending[pod.uid] = pod
        else:
            self.ending.pop(pod.uid, None)

    def remove(self, pod: PodDigest, ours: bool) -> None:
        """A pod is gone; that of a Job of ours is remembered."""
        owner = _owner(pod)
        self._count(self._there[owner].pop(pod.uid, None), -1)
        if not self._there[owner]:
            del self._there[owner]
        self._refunded.discard(pod.uid)
        self.ending.pop(pod.uid, None)
        if ours and len(self._gone[owner]) < REMEMBERED:
            self._gone[owner][pod.uid] = pod

    def forget(self, job: Owner) -> None:
        """The Job is gone: nothing is owed for its pods any more."""
        for uid in [*self._gone.pop(job, ()), *self._there.get(job, ())]:
            self.unrefunded.pop(uid, None)

    def _count(self, pod: PodDigest | None, times: int) -> None:
        if pod is not None and pod.node and pod.live:
            asked = self._asked[pod.node]
            asked[0] += times * pod.needs.cpu
            asked[1] += times * pod.needs.memory
            if asked == [0, 0]:
                del self._asked[pod.node]

    def refund_recorded(self, uid: str) -> None:
        """The history holds the refund of this pod."""
        self.unrefunded.pop(uid, None)
        self._refunded.add(uid)


_NOBODY: Final[dict[str, PodDigest]] = {}


def _owner(pod: PodDigest) -> Owner:
    return (pod.namespace, pod.job_uid)

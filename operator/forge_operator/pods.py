"""The pods of our Jobs: those that are there, those that were deleted meanwhile, and what is still owed for them."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from forge_core.exits import Exit
from forge_operator.digests import PodDigest
from forge_operator.placing import Owner
from forge_operator.unschedulable import Amounts

REMEMBERED: Final = 20
"""Ended pods remembered for one Job after their deletion."""
_TOLD_BY_THEMSELVES: Final = frozenset({Exit.PERMANENT, Exit.EXHAUSTED, Exit.BEFORE_CLAIM})
"""Who ends with these has stored how its attempts ended, or has none."""


class Pods:
    """Keyed by (namespace, UID of the Job) that a pod says it belongs to."""

    def __init__(self) -> None:
        self.ending: dict[str, PodDigest] = {}
        """Pods that are marked for deletion and still there, by UID."""
        self.untold: dict[str, PodDigest] = {}
        """Pods whose end, or the disruption that brings it, isn't recorded yet, by UID."""
        self.stalled: dict[str, PodDigest] = {}
        """Pods that are marked as stalled, live, and aren't deleted yet, by UID."""
        self._there: dict[Owner, dict[str, PodDigest]] = defaultdict(dict)
        self._gone: dict[Owner, dict[str, PodDigest]] = defaultdict(dict)
        self._told: dict[str, bool] = {}
        """Pods of which something is recorded, and whether that is their end."""
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
        self._owe(pod)
        if pod.stalled and pod.live and pod.deleted_at is None:
            self.stalled[pod.uid] = pod
        else:
            self.stalled.pop(pod.uid, None)
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
        if ours and pod.live:
            pod = replace(pod, phase="Failed")  # how it ended was not seen
            self._owe(pod)
        self._told.pop(pod.uid, None)
        self.ending.pop(pod.uid, None)
        self.stalled.pop(pod.uid, None)
        if ours and len(self._gone[owner]) < REMEMBERED:
            self._gone[owner][pod.uid] = pod

    def forget(self, job: Owner) -> None:
        """The Job is gone: nothing is owed for its pods any more."""
        self.settle(job)
        for uid in self._gone.pop(job, ()):
            self._told.pop(uid, None)

    def settle(self, job: Owner) -> None:
        """The job is over, and its attempts were closed with it: nothing is owed for its pods."""
        for uid in [*self._gone.get(job, ()), *self._there.get(job, ())]:
            self.untold.pop(uid, None)

    def told(self, uid: str, *, ended: bool) -> None:
        """The history holds the pod's end, or only the disruption that brings it."""
        self._told[uid] = ended
        pod = self.untold.get(uid)
        if pod is not None and (ended or pod.live):
            del self.untold[uid]

    def _owe(self, pod: PodDigest) -> None:
        """Its end is ours to record when its runner can't have: it was killed, or asked to stop."""
        told = self._told.get(pod.uid)
        if pod.live:
            owed = bool(pod.taken_away) and told is None
        elif pod.taken_away:
            owed = pod.phase == "Failed" and not told
        else:
            silent = pod.started_at is not None and pod.exit_code not in _TOLD_BY_THEMSELVES
            owed = pod.phase == "Failed" and silent and not told
        if owed:
            self.untold[pod.uid] = pod
        else:
            self.untold.pop(pod.uid, None)

    def _count(self, pod: PodDigest | None, times: int) -> None:
        if pod is not None and pod.node and pod.live:
            asked = self._asked[pod.node]
            asked[0] += times * pod.needs.cpu
            asked[1] += times * pod.needs.memory
            if asked == [0, 0]:
                del self._asked[pod.node]


_NOBODY: Final[dict[str, PodDigest]] = {}


def _owner(pod: PodDigest) -> Owner:
    return (pod.namespace, pod.job_uid)

"""Where each job stands, indexed by queue and namespace, so that a decision need not look at all of them."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from forge_operator.digests import AnalysisJobDigest, JobDigest
from forge_operator.reasons import ConditionType

AGEING_SECONDS: Final = 60.0
"""A waiting job rises by one step of priority each such time, so that none starves."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound=Sized)

Owner = tuple[str, str]
"""(namespace, UID) of an AnalysisJob: a UID alone could be claimed by another tenant's objects."""
Turn = tuple[float, str, str]
"""What a queue is sorted by: aged priority and creation as one number, then name; the UID is carried along.

Rising by one step a minute is the same order for ever as comparing `creation + 60 s x priority`, so that nothing needs
to be sorted again as time goes by.
"""


class State(StrEnum):
    """What a job needs of the operator."""

    WAITING = "waiting"
    """No Job yet; it takes its turn."""
    ADMITTED = "admitted"
    """It holds a slot: a Job is there, or its creation is under way, or its pods may be alive."""
    SETTLING = "settling"
    """One write is left: it is invalid, was withdrawn while it waited, does again what another does already, or leaves
    a Job to delete."""


class Kin(NamedTuple):
    """What the gates look at in a waiting job: they answer all of one kin of a queue alike."""

    namespace: str
    resource_class: str
    told: str
    """The reason that its status gives for waiting, "" when it gives none."""
    refused: bool
    """The API server refused its Job: then each is asked for itself."""


NO_KIN: Final = Kin("", "", "", refused=False)


def kin_of(job: AnalysisJobDigest, *, refused: bool) -> Kin:
    """The kin of a waiting job."""
    said = job.status.condition(ConditionType.ADMITTED)
    told = said.reason if said is not None and not said.holds else ""
    return Kin(job.namespace, job.spec.resource_class if job.spec else "", told, refused)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands. `turn` and `kin` are empty unless it waits."""

    state: State
    queue: str
    turn: Turn = (0.0, "", "")
    kin: Kin = NO_KIN


def turn_of(job: AnalysisJobDigest, default_priority: int) -> Turn:
    """The job's place in its queue's order."""
    priority = job.spec.priority if job.spec and job.spec.priority is not None else default_priority
    created = (job.created or datetime.fromtimestamp(0, UTC)).timestamp()
    return (created + AGEING_SECONDS * priority, job.name, job.uid)


def state_of(job: AnalysisJobDigest | None, child: JobDigest | None, held: bool, alive: bool) -> State | None:
    """What is left to do for a job: its AnalysisJob, its batch/v1 Job, a creation under way, pods that may be alive."""
    if job is None:
        # Its owner is gone and the garbage collector follows; until its pods are gone they count.
        busy = child is not None and not (child.decided and child.quiet)
        return State.ADMITTED if held or alive or busy else None
    if job.status.phase.terminal:
        leftover = job.status.phase == "Cancelled" and child is not None and child.deleted_at is None
        return State.SETTLING if leftover else None
    if held or child is not None or job.status.phase != "Queued":
        return State.ADMITTED
    if job.deleted_at is not None:
        return None
    if job.spec is None or job.spec.cancel:
        return State.SETTLING
    return State.WAITING


class Places:
    """The index. Queues and namespaces that have nobody are not held."""

    def __init__(self) -> None:
        self._places: dict[Owner, Place] = {}
        self._waiting: dict[str, dict[str, list[Turn]]] = defaultdict(dict)
        self._alike: dict[str, dict[Kin, list[Turn]]] = defaultdict(dict)
        self._admitted: dict[str, dict[str, dict[str, None]]] = defaultdict(dict)
        self._settling: dict[Owner, None] = {}

    def put(self, owner: Owner, place: Place | None) -> None:
        """Move a job to a place, or out of sight."""
        before = self._places.get(owner)
        if before == place:
            return
        if before is not None:
            self._take(owner, before)
        if place is None:
            self._places.pop(owner, None)
            return
        self._places[owner] = place
        namespace, uid = owner
        if place.state is State.WAITING:
            insort(self._waiting[place.queue].setdefault(namespace, []), place.turn)
            insort(self._alike[place.queue].setdefault(place.kin, []), place.turn)
        elif place.state is State.ADMITTED:
            self._admitted[place.queue].setdefault(namespace, {})[uid] = None
        else:
            self._settling[owner] = None

    def of(self, owner: Owner) -> Place | None:
        """Where a job stands."""
        return self._places.get(owner)

    def queues(self) -> list[str]:
        """The queues in which somebody waits or holds a slot, by name."""
        return sorted({*self._waiting, *self._admitted})

    def waiting(self, queue: str) -> dict[str, list[Turn]]:
        """Who waits in a queue, by namespace, each in the order of their turns."""
        return self._waiting.get(queue, {})

    def alike(self, queue: str) -> dict[Kin, list[Turn]]:
        """Who waits in a queue, by kin, each in the order of their turns."""
        return self._alike.get(queue, {})

    def admitted_in(self, queue: str) -> dict[str, dict[str, None]]:
        """UIDs of those that hold a slot in a queue, by namespace."""
        return self._admitted.get(queue, {})

    def admitted(self) -> Iterator[Owner]:
        """All that hold a slot."""
        for namespaces in self._admitted.values():
            for namespace, uids in namespaces.items():
                for uid in uids:
                    yield namespace, uid

    def settling(self) -> Iterator[Owner]:
        """All that need one last write."""
        return iter(self._settling)

    def _take(self, owner: Owner, place: Place) -> None:
        namespace, uid = owner
        if place.state is State.SETTLING:
            del self._settling[owner]
            return
        if place.state is State.WAITING:
            for turns in (self._waiting[place.queue][namespace], self._alike[place.queue][place.kin]):
                del turns[bisect_left(turns, place.turn)]
            _prune(self._waiting, place.queue, namespace)
            _prune(self._alike, place.queue, place.kin)
        else:
            del self._admitted[place.queue][namespace][uid]
            _prune(self._admitted, place.queue, namespace)


def _prune(index: dict[str, dict[_K, _V]], queue: str, key: _K) -> None:
    if not index[queue][key]:
        del index[queue][key]
    if not index[queue]:
        del index[queue]

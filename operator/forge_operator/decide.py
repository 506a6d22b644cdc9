"""From the picture to what is to be done: pure, no I/O, time passed in; the same picture gives the same actions."""

from collections.abc import Iterator
from datetime import datetime

from forge_operator.actions import Action, CreateJob, DeleteJob, ExtendDeadline, PatchStatus, Refund
from forge_operator.admission.admitting import Admission, admissions
from forge_operator.following import creation_of, last_write, next_step
from forge_operator.lost_nodes import lost_pods
from forge_operator.notices import notices
from forge_operator.picture import Picture
from forge_operator.retiring import retiring


def decide(picture: Picture, now: datetime) -> list[Action]:
    """All that is to be done now, the most urgent first; nothing before the picture is complete.

    Whoever applies the actions leaves out those whose `key` is being applied already, and decides again once the
    picture has changed or a second has passed.
    """
    if picture.missing:
        return []
    followed = list(_following(picture, now))
    rounds = admissions(picture, now)
    urgent = [action for action in followed if not isinstance(action, ExtendDeadline | DeleteJob)]
    starts = list(_starting(picture, now, rounds))
    rest = [action for action in followed if isinstance(action, ExtendDeadline | DeleteJob)]
    busy = {action.uid for action in (*urgent, *starts) if isinstance(action, PatchStatus | CreateJob)}
    return [
        *lost_pods(picture, now),
        *_refunds(picture, now),
        *urgent,
        *starts,
        *rest,
        *notices(picture, now, rounds, busy),
        *retiring(picture, now),
    ]


def _following(picture: Picture, now: datetime) -> Iterator[Action]:
    for namespace, uid in picture.places.settling():
        job = picture.analysis_jobs.get(uid)
        action = last_write(picture, now, job) if job is not None and job.namespace == namespace else None
        if action is not None:
            yield action
    for namespace, uid in picture.places.admitted():
        job = picture.analysis_jobs.get(uid)
        # Without its AnalysisJob the Job is the garbage collector's.
        if job is None or job.namespace != namespace:
            continue
        action = next_step(picture, now, job)
        if action is not None:
            yield action


def _starting(picture: Picture, now: datetime, rounds: list[Admission]) -> Iterator[Action]:
    for admission in rounds:
        for job in admission.admitted:
            action = creation_of(picture, now, job)
            if action is not None:
                yield action


def _refunds(picture: Picture, now: datetime) -> Iterator[Refund]:
    for pod in picture.pods.unrefunded.values():
        owner = picture.owner_of(pod)
        if owner is not None:
            yield Refund(owner.owner_uid, pod.uid, pod.disruption, pod.ended_at or pod.deleted_at or now)

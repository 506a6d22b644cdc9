"""From the picture to what is to be done: pure, no I/O, time passed in; the same picture gives the same actions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from forge_operator.actions import Action, CreateJob, DeleteJob, ExtendDeadline, PatchStatus
from forge_operator.admission.admitting import Admission, admissions
from forge_operator.attention import Look
from forge_operator.following import creation_of, last_write, next_look, next_step, notice
from forge_operator.lost_nodes import lost_pods
from forge_operator.notices import NEVER, notices
from forge_operator.picture import Picture
from forge_operator.placing import Owner
from forge_operator.pod_ends import pod_ends
from forge_operator.retiring import retiring
from forge_operator.sla import breaches
from forge_operator.stalls import stalled_pods

LOOKS: Final = 1000
STEPS: Final = 200
"""Admitted jobs that one decision looks at, and those that it does something for; the others have their turn in the
next. Writes are slower than decisions, so a longer list would only be made again."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, the rounds of admission, and what was found of admitted jobs (`picture.attention.take`)."""

    actions: list[Action] = field(default_factory=list)
    rounds: list[Admission] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    more: bool = False
    """Whether the next one should follow at once: there was too much to look at, and little to do."""


def decide(picture: Picture, now: datetime) -> list[Action]:
    """All that is to be done now, the most urgent first; nothing before the picture is complete.

    Whoever applies the actions leaves out those whose `key` is being applied already, and decides again once the
    picture has changed or a second has passed.
    """
    return decision(picture, now).actions


def decision(picture: Picture, now: datetime) -> Decision:
    """The same, with what allows the next one to look only at what has changed."""
    if picture.missing:
        return Decision()
    awake = picture.attention.awake(now)
    followed, looks = _following(picture, now, awake)
    rounds = admissions(picture, now)
    settled = list(_settling(picture, now))
    urgent = [action for action in (*settled, *followed) if not isinstance(action, ExtendDeadline | DeleteJob)]
    starts = list(_starting(picture, now, rounds))
    rest = [action for action in (*settled, *followed) if isinstance(action, ExtendDeadline | DeleteJob)]
    busy = {action.uid for action in (*urgent, *starts) if isinstance(action, PatchStatus | CreateJob)}
    actions = [
        *lost_pods(picture, now),
        *stalled_pods(picture),
        *pod_ends(picture, now),
        *urgent,
        *starts,
        *rest,
        *notices(picture, now, rounds, looks, busy),
        *retiring(picture, now),
        *breaches(picture, now),
    ]
    return Decision(actions, rounds, looks, more=len(followed) < STEPS and next(awake, None) is not None)


def _settling(picture: Picture, now: datetime) -> Iterator[Action]:
    for namespace, uid in islice(picture.places.settling(), STEPS):
        job = picture.analysis_jobs.get(uid)
        action = last_write(picture, now, job) if job is not None and job.namespace == namespace else None
        if action is not None:
            yield action


def _following(picture: Picture, now: datetime, awake: Iterator[Owner]) -> tuple[list[Action], list[Look]]:
    actions: list[Action] = []
    looks: list[Look] = []
    for owner in islice(awake, LOOKS):
        action, look = _look(picture, now, owner)
        looks.append(look)
        if action is not None:
            actions.append(action)
        if len(actions) == STEPS:
            break
    return actions, looks


def _look(picture: Picture, now: datetime, owner: Owner) -> tuple[Action | None, Look]:
    job = picture.analysis_jobs.get(owner[1])
    # Without its AnalysisJob the Job is the garbage collector's.
    if job is None or job.namespace != owner[0]:
        return None, Look(owner, rests=True)
    action, until = next_step(picture, now, job), next_look(picture, now, job)
    rests = action is None and (until is None or until > now)
    tells = notice(picture, now, job) is not None
    wish = picture.noticed_at.get(job.uid, NEVER) if tells else None
    return action, Look(owner, rests, until, wish)


def _starting(picture: Picture, now: datetime, rounds: Iterable[Admission]) -> Iterator[Action]:
    for admission in rounds:
        for job in admission.admitted:
            action = creation_of(picture, now, job)
            if action is not None:
                yield action

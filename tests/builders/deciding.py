"""What a decision does of one kind, for tests that look at little of it."""

from typing import TypeVar

from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.decide import decide
from forge_operator.picture import Picture
from tests.builders.operator import (
    NOW,
)

A = TypeVar("A")


def started(picture: Picture) -> list[str]:
    """Names of the jobs that are given a Job, in order."""
    names = {action.uid: picture.analysis_jobs[action.uid].name for action in actions_of(picture, CreateJob)}
    return list(names.values())


def actions_of(picture: Picture, kind: type[A]) -> list[A]:
    """What is decided of one kind of action, in order."""
    return [action for action in decide(picture, NOW) if isinstance(action, kind)]


def why(picture: Picture, name: str = "job") -> tuple[str, str]:
    """Reason and message of the notice about a waiting job."""
    (patch,) = [patch for patch in actions_of(picture, PatchStatus) if patch.name == name]
    admitted = next(one for one in patch.status["conditions"] if one["type"] == "Admitted")
    assert admitted["status"] == "False"
    assert admitted["message"] == patch.status["message"]
    assert patch.spare
    return admitted["reason"], patch.status["message"]

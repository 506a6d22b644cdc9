"""The conditions of an AnalysisJob: what is said of it, by type, with the time since when it has been so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from forge_core.durations import timestamp
from forge_operator.digests import Status
from forge_operator.reasons import ConditionType, Reason

MAX_MESSAGE: Final = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """One condition as it shall be."""

    type: ConditionType
    holds: bool
    reason: Reason
    message: str


def conditions_with(status: Status, said: tuple[Said, ...], now: datetime) -> list[dict[str, Any]]:
    """All conditions as JSON, for a merge patch replaces the list; `lastTransitionTime` moves only with the status."""
    changed = {one.type: one for one in said}
    kept = [
        {
            "type": old.type,
            "status": old.status,
            "reason": old.reason,
            "message": old.message,
            "lastTransitionTime": timestamp(old.since or now),
        }
        for old in status.conditions
        if old.type not in changed
    ]
    return kept + [_json(status, one, now) for one in said]


def _json(status: Status, said: Said, now: datetime) -> dict[str, Any]:
    value, old = "True" if said.holds else "False", status.condition(said.type)
    since = old.since if old and old.status == value and old.since else now
    return {
        "type": said.type.value,
        "status": value,
        "reason": said.reason.value,
        "message": said.message[:MAX_MESSAGE],
        "lastTransitionTime": timestamp(since),
    }

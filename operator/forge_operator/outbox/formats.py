"""An alert in the words of who takes it: pure, time passed in.

Datadog's event (API v1, `POST /api/v1/events`): `aggregation_key` is the alert's own, so that repeats of one delivery
fold into one event; `date_happened` may lie at most 18 hours back.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from forge_core.durations import format_duration, parse_timestamp

OLDEST: Final = timedelta(hours=17)
MAX_TEXT: Final = 4000
"""Characters, Datadog's limit."""
_BROKEN: Final = {
    "started": "ran for {took}",
    "queued": "was not done {took} after it was created",
    "first-attempt": "had no first attempt {took} after it was created",
}


def title_of(body: dict[str, Any]) -> str:
    """One line."""
    return f"SLA broken in queue {body['data']['queue']}: {body['data']['namespace']}/{body['data']['name']}"[:100]


def text_of(body: dict[str, Any]) -> str:
    """What happened, with duration and threshold, as of the noting."""
    told = body["data"]
    how = _BROKEN.get(told["clock"], _BROKEN["started"]).format(took=_written(told["seconds"]))
    then = "it goes on" if told["phase"] in {"Queued", "Running"} else f"it ended {told['phase']}"
    return (
        f"Job {told['namespace']}/{told['name']} of tenant {body['tenantid']} {how}; the SLA of queue {told['queue']} "
        f"is {_written(told['limitSeconds'])} and ran out at {body['time']}; {then}. Its id: {told['analysisId']}."
    )[:MAX_TEXT]


def tags_of(body: dict[str, Any]) -> list[str]:
    """As ADR-006 names them, and two more."""
    queue = body["data"]["queue"]
    return [f"job:{queue}", "sla:breach", f"queue:{queue}", f"tenant:{body['tenantid']}"]


def datadog(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A Datadog event."""
    happened = max(parse_timestamp(body["time"]), now - OLDEST)
    return {
        "title": title_of(body),
        "text": text_of(body),
        "tags": tags_of(body),
        "alert_type": "warning",
        "aggregation_key": body["id"],
        "date_happened": int(happened.timestamp()),
    }


def webhook(body: dict[str, Any]) -> dict[str, Any]:
    """A document for any receiver; `id` is the same in each repeat."""
    return {
        "id": body["id"],
        "type": body["type"],
        "severity": "warning",
        "title": title_of(body),
        "text": text_of(body),
        "tags": tags_of(body),
        "time": body["time"],
        "tenant": body["tenantid"],
        "data": body["data"],
    }


def _written(seconds: float) -> str:
    return format_duration(seconds) if seconds >= 1 else f"{seconds * 1000:.0f}ms"

"""The event that a job's end makes: a CloudEvent (1.0, JSON form) named after the kind of work, ADR-006."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from forge_core.durations import timestamp
from forge_core.names import GROUP
from forge_core.phase import Phase
from forge_core.webhooks import PING

if TYPE_CHECKING:
    from forge_core.history.records import End

SILENT_KINDS: Final = frozenset({"", "webhooks", "cleanup"})
"""Kinds whose outcome is no event: a delivery's or a clean-up's end must never make another delivery."""
_WORDS: Final = {Phase.COMPLETED: "completed", Phase.FAILED: "failed"}


def ping_of(tenant: str, endpoint: UUID, now: datetime) -> dict[str, Any]:
    """The event of a test that somebody asked for, to one endpoint alone."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": f"/{GROUP}/{tenant}",
        "type": PING,
        "subject": str(endpoint),
        "time": timestamp(now),
        "datacontenttype": "application/json",
        "tenantid": tenant,
        "data": {"endpointId": str(endpoint)},
    }


def event_of(end: "End", kind: str) -> dict[str, Any] | None:
    """`<kind>.completed` {analysisId, repositoryId} or `<kind>.failed` {analysisId, error}; None when there is none.

    The tenant is the extension attribute `tenantid` (CloudEvents allow only lower-case attribute names). The id is
    derived from the job and the type, so an event written or published twice is recognised.
    """
    word = _WORDS.get(end.phase)
    if word is None or kind in SILENT_KINDS or not end.tenant:  # in a namespace that no tenant owns
        return None
    kind_of_event = f"{kind}.{word}"
    told = {"repositoryId": end.repository_id} if end.phase == Phase.COMPLETED else {"error": end.message}
    return {
        "specversion": "1.0",
        "id": str(uuid5(NAMESPACE_URL, f"{end.id}/{kind_of_event}")),
        "source": f"/{GROUP}/{end.tenant}",
        "type": kind_of_event,
        "subject": str(end.id),
        "time": timestamp(end.completed_at) if end.completed_at else None,
        "datacontenttype": "application/json",
        "tenantid": end.tenant,
        "data": {"analysisId": str(end.id), **told},
    }

"""Cursors of keyset pages: opaque to clients, the place of the last row to us."""

import base64
from datetime import datetime
from uuid import UUID

from forge_api.problems import Problem
from forge_core.history.queries import Place


def encode(place: Place) -> str:
    """A text for a URL."""
    return base64.urlsafe_b64encode(f"{place.created_at.isoformat()}|{place.id.hex}".encode()).decode().rstrip("=")


def decode(cursor: str) -> Place:
    """The place that `encode` was given. Raises Problem 422."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        moment, job_id = raw.split("|")
        place = Place(datetime.fromisoformat(moment), UUID(hex=job_id))
    except ValueError:
        raise Problem(422, "cursor: take it unchanged from the previous page's nextCursor.") from None
    if place.created_at.tzinfo is None or encode(place) != cursor:
        raise Problem(422, "cursor: take it unchanged from the previous page's nextCursor.")
    return place

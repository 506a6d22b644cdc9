"""Cursors of keyset pages: opaque to clients, the place of the last row to us."""

import base64
from datetime import datetime
from typing import Final
from uuid import UUID

from forge_api.problems import Problem
from forge_core.fingerprints import LENGTH
from forge_core.history.dead_letters import GroupPlace
from forge_core.history.pages import Place

_WRONG: Final = "cursor: take it unchanged from the previous page's nextCursor."


def encode(place: Place) -> str:
    """A text for a URL."""
    return _packed(place.created_at.isoformat(), place.id.hex)


def decode(cursor: str) -> Place:
    """The place that `encode` was given. Raises Problem 422."""
    try:
        moment, job_id = _unpacked(cursor)
        place = Place(_moment(moment), UUID(hex=job_id))
    except ValueError:
        raise Problem(422, _WRONG) from None
    if encode(place) != cursor:
        raise Problem(422, _WRONG)
    return place


def encode_group(place: GroupPlace) -> str:
    """A text for a URL."""
    return _packed(place.last_seen.isoformat(), place.fingerprint, place.as_of.isoformat())


def decode_group(cursor: str) -> GroupPlace:
    """The place that `encode_group` was given. Raises Problem 422."""
    try:
        last_seen, fingerprint, as_of = _unpacked(cursor)
        place = GroupPlace(_moment(last_seen), UUID(hex=fingerprint).hex, _moment(as_of))
    except ValueError:
        raise Problem(422, _WRONG) from None
    if encode_group(place) != cursor or len(place.fingerprint) != LENGTH:
        raise Problem(422, _WRONG)
    return place


def _packed(*parts: str) -> str:
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def _unpacked(cursor: str) -> list[str]:
    padded = cursor + "=" * (-len(cursor) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split("|")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a place's time has a zone")
    return moment

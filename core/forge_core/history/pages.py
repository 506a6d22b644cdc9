"""Keyset pages, newest first: of every table whose rows have a creation and an id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import DateTime, Select, Uuid, literal, tuple_

from forge_core.history.models import JobRow, RepositoryRow, WebhookDeliveryRow, WebhookEndpointRow

Paged = JobRow | RepositoryRow | WebhookEndpointRow | WebhookDeliveryRow
"""Tables with the columns of a Place."""


@dataclass(frozen=True)
class Place:
    """Where a page ends: its last row's creation and id."""

    created_at: datetime
    id: UUID


class _Placed(Protocol):
    @property
    def created_at(self) -> datetime: ...
    @property
    def id(self) -> UUID: ...


T = TypeVar("T", bound=_Placed)


def newest_first(asked: Select[Any], table: type[Paged], after: Place | None) -> Select[Any]:
    """Newest first, from `after` on: compared as one row value, so that the page's index serves it."""
    if after is not None:
        place = tuple_(literal(after.created_at, DateTime(timezone=True)), literal(after.id, Uuid()))
        asked = asked.where(tuple_(table.created_at, table.id) < place)
    return asked.order_by(table.created_at.desc(), table.id.desc())


def page_of(found: Sequence[T], limit: int) -> tuple[list[T], Place | None]:
    """At most `limit` of what was found, and where the next page begins (None: this was the last).

    One more than the limit was asked for: whether it came says if there is a next page.
    """
    if len(found) <= limit:
        return list(found), None
    last = found[limit - 1]
    return list(found[:limit]), Place(last.created_at, last.id)

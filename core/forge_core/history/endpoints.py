"""A tenant's webhook endpoints. Their secrets are never here.

Which Secrets were made is noted beside them, before each is made: whoever is ended in the middle of a registration
leaves a note without an endpoint, by which a clean-up finds the Secret. Nobody has the right to list Secrets.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update

from forge_core.history.database import History, storable
from forge_core.history.models import WebhookEndpointRow as Row
from forge_core.history.models import WebhookSecretRow as Secret
from forge_core.history.pages import Place, newest_first, page_of
from forge_core.names import webhook_secret

MAX_ENDPOINTS: Final = 20
"""Of one tenant: an event may make a job for each of them."""
BY_USER: Final = "user"
GONE: Final = "gone"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint; `events` are its filters, none for all."""

    id: UUID
    tenant: str
    namespace: str
    url: str
    events: tuple[str, ...]
    description: str
    enabled: bool
    disabled_because: str
    enabled_at: datetime
    created_by: str
    created_at: datetime
    rotated_at: datetime | None = None

    @property
    def secret(self) -> str:
        """The name of its Secret."""
        return webhook_secret(self.id)


@dataclass(frozen=True)
class StraySecret:
    """A Secret without an endpoint."""

    endpoint_id: UUID
    namespace: str

    @property
    def name(self) -> str:
        """Its name."""
        return webhook_secret(self.endpoint_id)


class TooMany(Exception):
    """The tenant has MAX_ENDPOINTS already."""


COLUMNS: Final = tuple(getattr(Row, name) for name in Endpoint.__dataclass_fields__)
_ALONE: Final = text("select pg_advisory_xact_lock(hashtext('webhook_endpoints/' || :tenant))")


class Endpoints:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def note_secret(self, endpoint: Endpoint) -> None:
        """Its Secret is about to be made."""
        noted = insert(Secret).values(
            endpoint_id=endpoint.id, namespace=endpoint.namespace, noted_at=endpoint.created_at
        )
        async with self._history.begin() as connection:
            await connection.execute(noted)

    async def forget_secret(self, endpoint_id: UUID) -> None:
        """Its Secret is gone."""
        async with self._history.begin() as connection:
            await connection.execute(delete(Secret).where(Secret.endpoint_id == endpoint_id))

    async def stray_secrets(self, before: datetime, limit: int = 0) -> list[StraySecret]:
        """Secrets noted before that time whose endpoint isn't there: so many, or all."""
        lone = select(Secret.endpoint_id, Secret.namespace).where(
            Secret.noted_at < before, ~select(Row.id).where(Row.id == Secret.endpoint_id).exists()
        )
        async with self._history.begin() as connection:
            found = await connection.execute(lone.order_by(Secret.endpoint_id).limit(limit or None))
            return [StraySecret(row.endpoint_id, row.namespace) for row in found]

    async def add(self, endpoint: Endpoint) -> None:
        """Register. Raises TooMany."""
        values = {**storable(asdict(endpoint)), "events": list(endpoint.events)}
        count = select(func.count()).where(Row.tenant == endpoint.tenant)
        async with self._history.begin() as connection:
            await connection.execute(_ALONE, {"tenant": endpoint.tenant})
            if (await connection.execute(count)).scalar_one() >= MAX_ENDPOINTS:
                raise TooMany
            await connection.execute(insert(Row).values(values))

    async def find(self, tenant: str, endpoint_id: UUID) -> Endpoint | None:
        """The tenant's endpoint of that id; another tenant's is None."""
        asked = select(*COLUMNS).where(Row.id == endpoint_id, Row.tenant == tenant)
        async with self._history.begin() as connection:
            row = (await connection.execute(asked)).mappings().first()
            return endpoint_of(row) if row else None

    async def page(self, tenant: str, after: Place | None, limit: int) -> tuple[list[Endpoint], Place | None]:
        """At most `limit` endpoints, newest first, and where the next page begins (None: this was the last)."""
        asked = newest_first(select(*COLUMNS).where(Row.tenant == tenant), Row, after).limit(limit + 1)
        async with self._history.begin() as connection:
            found = [endpoint_of(row) for row in (await connection.execute(asked)).mappings()]
        return page_of(found, limit)

    async def change(self, tenant: str, endpoint_id: UUID, changes: Mapping[str, Any]) -> Endpoint | None:
        """Set columns by name; the endpoint as it is then, None when there is none."""
        changing = update(Row).where(Row.id == endpoint_id, Row.tenant == tenant).values(**storable(dict(changes)))
        async with self._history.begin() as connection:
            row = (await connection.execute(changing.returning(*COLUMNS))).mappings().first()
            return endpoint_of(row) if row else None

    async def remove(self, tenant: str, endpoint_id: UUID) -> None:
        """Forget it, its Secret being gone, and which jobs were its deliveries; the jobs' own rows stay."""
        async with self._history.begin() as connection:
            await connection.execute(delete(Row).where(Row.id == endpoint_id, Row.tenant == tenant))
            await connection.execute(delete(Secret).where(Secret.endpoint_id == endpoint_id))


def endpoint_of(row: Mapping[Any, Any]) -> Endpoint:
    """A row as its endpoint."""
    return Endpoint(**{**row, "events": tuple(row["events"])})

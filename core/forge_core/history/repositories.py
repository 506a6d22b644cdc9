"""Repositories that a tenant registered; a job names one by id."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text

from forge_core.history.database import History
from forge_core.history.models import RepositoryRow
from forge_core.history.pages import Place, newest_first, page_of


@dataclass(frozen=True)
class Repository:
    """One registered repository. `credentials_secret` names a Secret of the tenant's namespace, "" when public."""

    id: UUID
    tenant: str
    url: str
    ref: str
    name: str
    credentials_secret: str
    created_by: str
    created_at: datetime


_COLUMNS = tuple(getattr(RepositoryRow, name) for name in Repository.__dataclass_fields__)
_REGISTER = text("""
    insert into repositories (id, tenant, url, ref, name, credentials_secret, created_by, created_at)
    values (:id, :tenant, :url, :ref, :name, :credentials_secret, :created_by, :created_at)
    on conflict (tenant, url) do update
        set ref = excluded.ref, name = excluded.name, credentials_secret = excluded.credentials_secret
    returning id, created_by, created_at
""")


class Repositories:
    """The tenant's register. Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def register(self, repository: Repository) -> Repository:
        """Register; a URL that the tenant has registered before keeps its id and takes the new ref, name and Secret."""
        async with self._history.begin() as connection:
            row = (await connection.execute(_REGISTER, asdict(repository))).mappings().one()
            return replace(repository, **row)

    async def find(self, tenant: str, repository_id: UUID) -> Repository | None:
        """The tenant's repository of that id; another tenant's is None."""
        asked = select(*_COLUMNS).where(RepositoryRow.id == repository_id, RepositoryRow.tenant == tenant)
        async with self._history.begin() as connection:
            row = (await connection.execute(asked)).mappings().first()
            return Repository(**row) if row else None

    async def page(self, tenant: str, after: Place | None, limit: int) -> tuple[list[Repository], Place | None]:
        """At most `limit` repositories, newest first, and where the next page begins (None: this was the last)."""
        asked = select(*_COLUMNS).where(RepositoryRow.tenant == tenant)
        asked = newest_first(asked, RepositoryRow, after).limit(limit + 1)
        async with self._history.begin() as connection:
            found = [Repository(**row) for row in (await connection.execute(asked)).mappings()]
        return page_of(found, limit)

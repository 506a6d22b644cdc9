"""How a repository's scores went: one point for each of its completed analyses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from forge_core.history.database import History
from forge_core.history.models import JobRow
from forge_core.history.pages import Place, newest_first, page_of
from forge_core.phase import Phase


@dataclass(frozen=True)
class Point:
    """One analysis. `told` are the members of its summary that a trend is made of, as they were stored."""

    id: UUID
    created_at: datetime
    ref: str
    partial: bool
    """Whether it looked at a part of the repository only."""
    told: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which points; None means any. `since` is inclusive, `until` exclusive; `ref` as the job was given it."""

    repository_id: str
    ref: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_REF: Final = func.coalesce(JobRow.spec["repository"]["ref"].astext, "")
_CONFIG: Final = JobRow.spec["config"]
_PARTIAL: Final = or_(
    *(func.coalesce(_CONFIG[name].astext, "[]") != "[]" for name in ("paths", "exclude", "languages"))
)
_TOLD: Final = ("commit", "score", "findings", "codeLines")
_PARTS: Final = func.jsonb_build_object(
    *(part for name in _TOLD for part in (name, JobRow.summary[name])),
    "duplicatedPercent", JobRow.summary["duplication"]["duplicatedPercent"],
    "newFindings", JobRow.summary["baseline"]["new"]["total"],
    "gate", JobRow.summary["gate"]["verdict"],
)  # fmt: skip
"""A summary may take 256 KiB: a page of them is no page."""


class Trends:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def page(
        self, tenant: str, wanted: Wanted, after: Place | None, limit: int
    ) -> tuple[list[Point], Place | None]:
        """At most `limit` points, newest first, and where the next page begins (None: this was the last)."""
        asked = select(
            JobRow.id, JobRow.created_at, _REF.label("ref"), _PARTIAL.label("partial"), _PARTS.label("told")
        ).where(
            and_(JobRow.tenant == tenant, JobRow.repository_id == wanted.repository_id, JobRow.repository_id != ""),
            JobRow.phase == Phase.COMPLETED.value,
            func.jsonb_typeof(JobRow.summary["score"]) == "object",
        )
        if wanted.ref is not None:
            asked = asked.where(_REF.in_([wanted.ref]))
        if wanted.since is not None:
            asked = asked.where(JobRow.created_at >= wanted.since)
        if wanted.until is not None:
            asked = asked.where(JobRow.created_at < wanted.until)
        async with self._history.begin() as connection:
            rows = (await connection.execute(newest_first(asked, JobRow, after).limit(limit + 1))).mappings()
            found = [Point(**row) for row in rows]
        return page_of(found, limit)

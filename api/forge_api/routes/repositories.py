"""Registering repositories, which analyses name by id, and how each one's scores went."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Response

from forge_api import cursors
from forge_api.deps import Calling, Held
from forge_api.problems import Problem, responses
from forge_api.trend_views import TrendAsked, TrendPage, TrendPoint
from forge_api.views import NewRepository, PageAsked, RepositoryPage, RepositoryView
from forge_core.history.repositories import Repository
from forge_core.history.trends import Wanted

router = APIRouter(tags=["repositories"])


@router.post(
    "/repositories",
    status_code=201,
    responses={**responses(400), 200: {"model": RepositoryView, "description": "The URL was registered before"}},
)
async def register(asked: NewRepository, services: Held, caller: Calling, response: Response) -> RepositoryView:
    """Register a repository. A URL that was registered before keeps its id and takes the new ref, name and Secret."""
    made = Repository(
        id=uuid4(),
        tenant=caller.tenant,
        created_by=caller.identity.user,
        created_at=datetime.now(UTC),
        **asked.model_dump(),
    )
    held = await services.repositories.register(made)
    if held.id != made.id:
        response.status_code = 200
    return RepositoryView.of(held)


@router.get("/repositories", responses=responses())
async def listing(services: Held, caller: Calling, asked: Annotated[PageAsked, Query()]) -> RepositoryPage:
    """The tenant's repositories, newest first."""
    after = cursors.decode(asked.cursor) if asked.cursor else None
    found, last = await services.repositories.page(caller.tenant, after, asked.limit)
    items = [RepositoryView.of(repository) for repository in found]
    return RepositoryPage(items=items, next_cursor=cursors.encode(last) if last else None)


@router.get("/repositories/{repository_id}/trends", responses=responses(404))
async def trends(
    repository_id: UUID, services: Held, caller: Calling, asked: Annotated[TrendAsked, Query()]
) -> TrendPage:
    """Scores and counts of the repository's completed analyses, newest first."""
    if await services.repositories.find(caller.tenant, repository_id) is None:
        raise Problem(404, "Repository not found")
    after = cursors.decode(asked.cursor) if asked.cursor else None
    wanted = Wanted(str(repository_id), asked.ref, asked.since, asked.until)
    found, last = await services.trends.page(caller.tenant, wanted, after, asked.limit)
    items = [TrendPoint.of(point) for point in found]
    return TrendPage(items=items, next_cursor=cursors.encode(last) if last else None)

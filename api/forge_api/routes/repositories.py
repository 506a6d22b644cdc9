"""Registering repositories: an analysis names one by id."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, Response

from forge_api import cursors
from forge_api.deps import Calling, Held
from forge_api.problems import responses
from forge_api.views import NewRepository, PageAsked, RepositoryPage, RepositoryView
from forge_core.history.repositories import Repository

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

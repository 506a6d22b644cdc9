"""Whether this process lives and can serve. Redis is not asked: without it everything but live progress works."""

from fastapi import APIRouter
from pydantic import BaseModel

from forge_api.deps import Held
from forge_api.problems import unavailable

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """`ok`, or the answer is no 200."""

    status: str = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses={503: {"description": "Not ready"}})
async def ready(services: Held) -> Health:
    """PostgreSQL answers and has its tables, and the process is not on its way out."""
    if services.life.draining:
        raise unavailable("The API is shutting down.")
    await services.queries.tables_are_there()
    return Health()

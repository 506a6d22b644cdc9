"""What the operator answers the API, served on a real socket over a picture that the test holds."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from forge_operator.door import Door
from forge_operator.explaining.answering import Answering
from forge_operator.health import Health, serving
from forge_operator.picture import Picture
from forge_operator.strays import Strays
from forge_operator.sweeping import Sweeping
from tests.builders.operator import make_picture
from tests.services.ports import free_port

TOKEN = "for-this-test"


@dataclass
class ExplainingOperator:
    """`leads` may be changed while it serves; its picture too."""

    picture: Picture
    leads: bool = True
    url: str = ""


@asynccontextmanager
async def explaining_operator(
    picture: Picture | None = None, token: str = TOKEN, strays: Callable[[Picture], Strays] | None = None
) -> AsyncIterator[ExplainingOperator]:
    """Served while the block lasts. Without `strays` it knows no maintenance."""
    operator = ExplainingOperator(picture or make_picture())
    door = Door(operator.picture, lambda: operator.leads, token)
    routes = [Answering(operator.picture).route()]
    if strays:
        routes.append(Sweeping(strays(operator.picture)).route())

    def health() -> Health:
        return Health({}, 0.0, 0, 0, "", operator.leads, redis=True, history=True, api=True)

    async with serving(free_port(), health, lambda: b"", door.routes(*routes)) as port:
        operator.url = f"http://127.0.0.1:{port}"
        yield operator

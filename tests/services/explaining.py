"""The operator's side of an explanation, served on a real socket over a picture that the test holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from forge_operator.explaining.answering import Answering
from forge_operator.health import Health, serving
from forge_operator.picture import Picture
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
async def explaining_operator(picture: Picture | None = None, token: str = TOKEN) -> AsyncIterator[ExplainingOperator]:
    """Served while the block lasts."""
    operator = ExplainingOperator(picture or make_picture())
    answering = Answering(operator.picture, lambda: operator.leads, token)

    def health() -> Health:
        return Health({}, 0.0, 0, 0, "", operator.leads, redis=True, history=True, api=True)

    async with serving(free_port(), health, lambda: b"", answering.routes()) as port:
        operator.url = f"http://127.0.0.1:{port}"
        yield operator

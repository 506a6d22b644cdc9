"""What runners send and are answered: the messages of forge_core.wire as bodies of requests and answers."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from fastapi.responses import Response

from forge_api.problems import Problem
from forge_core.wire import Message, Unreadable, read

M = TypeVar("M", bound=Message)


def body(form: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency: the message that the body is. Raises Problem 422 with the field and what is wrong."""

    async def sent(request: Request) -> M:
        try:
            return read(await request.body(), form)
        except Unreadable as error:
            raise Problem(422, f"body: {error}.") from None

    return sent


def answered(message: Message) -> Response:
    """200 with the message."""
    return Response(message.body(), media_type="application/json")

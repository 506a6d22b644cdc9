"""What runners send and are answered: the messages of forge_core.wire as bodies of requests and answers."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fastapi import Request
from fastapi.responses import Response

from forge_api.problems import Problem
from forge_core.wire import Message, Reader, Unreadable

M = TypeVar("M", bound=Message)
_JSON: Final = "application/json"


def body(form: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency: the message that the body is. Raises Problem 422 with the field and what is wrong."""

    reader = Reader[M](form)

    async def sent(request: Request) -> M:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise Problem(422, f"body: send it as {_JSON}.")
        try:
            return reader(await request.body())
        except Unreadable as error:
            raise Problem(422, f"body: {error}.") from None

    return sent


def answered(message: Message) -> Response:
    """200 with the message."""
    return Response(message.body(), media_type=_JSON)

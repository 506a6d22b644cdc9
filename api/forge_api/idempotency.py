"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated submission makes no second job."""

import hashlib
import json
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request

from forge_api.problems import Problem, responses
from forge_api.shapes import Asked
from forge_core.history.repeating import Once

REPLAYED: Final = "Idempotency-Replayed"
_DESCRIBED: Final = (
    "Any text of your own, such as a UUID. The same request with the same key within 24 hours is answered with the job"
    " that the first one made; another request with it is refused."
)


def key_of(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$", description=_DESCRIBED)
    ] = None,
) -> str | None:
    """The key, exactly as it was sent. Raises Problem 422 for more than one."""
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise Problem(422, "The request carries more than one Idempotency-Key header: send one.")
    return idempotency_key


Key = Annotated[str | None, Depends(key_of)]


def once(key: str | None, asked: Asked) -> Once | None:
    """What makes a request the same: the key, the route (each has a body of its own), and all that the body says."""
    if key is None:
        return None
    said = json.dumps([type(asked).__name__, asked.model_dump(mode="json")], sort_keys=True)
    return Once(key, hashlib.sha256(said.encode()).hexdigest())


def submitting(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route that submits: `statuses`' problems, and how a repeated request is answered."""
    replayed = {"schema": {"type": "string", "enum": ["true"]}, "description": "The key's job was accepted before."}
    return {
        **responses(*statuses, 409),
        201: {"description": "Accepted", "headers": {REPLAYED: replayed}},
    }

"""Every answer that isn't a success is a problem document (RFC 9457) that also carries `error`, the sentence alone."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from forge_core.cluster import ClusterError
from forge_core.history.database import HistoryUnavailable
from forge_core.logs import get_logger
from forge_core.messages import ProgressUnavailable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = "2"
log = get_logger("api")


class ProblemView(BaseModel):
    """The document's members; `code` is there where a program must tell two cases apart."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    error: str
    code: str | None = None
    retriedBy: str | None = None  # noqa: N815 - as the other answers spell it
    """With code `redriven`: the id of the job that does this one again already."""
    errors: list[dict[str, Any]] | None = None


class Problem(HTTPException):
    """Raise it anywhere in a route. `detail` is one sentence that says what to do."""

    def __init__(
        self, status: int, detail: str, code: str | None = None, headers: Mapping[str, str] | None = None, **more: str
    ) -> None:
        """`more` are further members of the document (ProblemView)."""
        super().__init__(status, detail, dict(headers) if headers else None)
        self.more = {**more, "code": code}


def unauthenticated(detail: str) -> Problem:
    """401 with the challenge of RFC 6750."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def unavailable(detail: str) -> Problem:
    """503: the same request may succeed later."""
    return Problem(503, detail, headers={"Retry-After": RETRY_SECONDS})


def document(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The document as plain JSON."""
    view = ProblemView(title=HTTPStatus(status).phrase, status=status, detail=detail, error=detail, **more)
    return view.model_dump(exclude_none=True)


def answer(problem: StarletteHTTPException) -> JSONResponse:
    """The response that says it."""
    detail = str(problem.detail)
    body = document(problem.status_code, detail, **getattr(problem, "more", {}))
    return JSONResponse(body, problem.status_code, problem.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn what routes raise into problem documents."""

    async def on_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StarletteHTTPException)  # noqa: S101 - the handler is registered for it
        return answer(error)

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return _invalid(error)

    async def on_away(request: Request, error: Exception) -> JSONResponse:
        log.warning("a dependency is away", path=request.url.path, error=str(error))
        return answer(unavailable(_AWAY[_kind(error)]))

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed", path=request.url.path, kind=type(error).__name__)
        return answer(Problem(500, "The request failed through no fault of yours; it is logged."))

    app.add_exception_handler(StarletteHTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for kind in _AWAY:
        app.add_exception_handler(kind, on_away)
    app.add_exception_handler(Exception, on_bug)


_AWAY: Final[Mapping[type[Exception], str]] = {
    HistoryUnavailable: "The history (PostgreSQL) is away; try again.",
    ClusterError: "The Kubernetes API is away; try again.",
    ProgressUnavailable: "Progress (Redis) is away; try again.",
}


def _kind(error: Exception) -> type[Exception]:
    return next(kind for kind in _AWAY if isinstance(error, kind))


def _invalid(error: RequestValidationError) -> JSONResponse:
    """422 with each fault's place and sentence, never with the input itself."""
    faults = [{"where": [str(part) for part in fault["loc"]], "message": fault["msg"]} for fault in error.errors()]
    first = faults[0] if faults else {"where": [], "message": "the request is malformed"}
    detail = f"{'.'.join(first['where'])}: {first['message']}" if first["where"] else str(first["message"])
    return JSONResponse(document(422, detail, errors=faults[:20]), 422, media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route's problems: those of every route, and `statuses`."""
    return {status: _described(status) for status in sorted({401, 403, 413, 422, 503, *statuses})}


def _described(status: int) -> dict[str, Any]:
    example = document(status, _EXAMPLES.get(status, HTTPStatus(status).phrase))
    schema = {"$ref": "#/components/schemas/ProblemView"}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


_EXAMPLES: Final[Mapping[int, str]] = {
    401: "The token has expired: get a new one.",
    403: "No namespace of this cluster belongs to the tenant 'demo'.",
    404: "Job not found",
    409: "The job has already ended: it is completed.",
    413: "The body is larger than 65536 bytes.",
    422: "body.repositoryId: Field required",
    429: "The tenant has 200 open progress connections already: close one first.",
    503: "The history (PostgreSQL) is away; try again.",
}

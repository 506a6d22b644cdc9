"""The clone cache's routes (forge_core.clones is their contract), health and metrics."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from forge_clones.bringing import Bringing, HostRefused, NoRoom, NotNow
from forge_clones.eviction import Rule, evicted
from forge_clones.metrics import Metrics
from forge_clones.mirrors import Mirror, Mirrors
from forge_clones.reading import MAX_REQUEST, TooMuch, Unreadable, UploadPack, unpacked
from forge_clones.settings import Settings
from forge_clones.writing import Order, Writer
from forge_core.attempts import FENCED
from forge_core.clones import CLONES_PATH, REPOSITORY_PATH, SWEEP_PATH, Brought, Sweep, Swept, Wanted
from forge_core.cluster import ClusterError
from forge_core.failures import Permanent, Transient
from forge_core.git.location import check_ref, locate
from forge_core.identity import BadToken, Identities, JobGone, NotAllowed, Runner
from forge_core.logs import get_logger

M = TypeVar("M", bound=BaseModel)
BODY_SECONDS: Final = 30.0
MAX_BODY: Final = 256 * 1024
AT_A_TIME: Final = 50
"""Mirrors that one call of a clean-up removes."""
log = get_logger("clones")


@dataclass(frozen=True)
class Services:
    """What the routes stand on."""

    settings: Settings
    identities: Identities
    mirrors: Mirrors
    bringing: Bringing
    writer: Writer
    metrics: Metrics
    reads: asyncio.Semaphore


class Problem(HTTPException):
    """An answer other than success: a problem document (RFC 9457) that also carries `error`, the sentence alone."""

    def __init__(self, status: int, detail: str, code: str = "") -> None:
        super().__init__(status, detail)
        self.code = code


def app(services: Services) -> Starlette:
    """The whole program's answers."""
    routes = [
        Route(CLONES_PATH, _bound(services, bring), methods=["POST"]),
        Route(f"{REPOSITORY_PATH}/info/refs", _bound(services, advertise), methods=["GET"]),
        Route(f"{REPOSITORY_PATH}/git-upload-pack", _bound(services, upload), methods=["POST"]),
        Route(SWEEP_PATH, _bound(services, clean), methods=["POST"]),
        Route("/healthz", _healthy),
        Route("/readyz", _healthy),
        Route("/metrics", _bound(services, metrics)),
    ]
    made = Starlette(routes=routes, exception_handlers={HTTPException: _told, Exception: _failed})
    made.router.redirect_slashes = False
    return made


def _bound(services: Services, route: Callable[[Services, Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> ASGIApp:
        answer: ASGIApp = await route(services, request)
        return answer

    return endpoint


async def bring(services: Services, request: Request) -> Response:
    """Bring the job's repository up to date, as far as one ref needs it."""
    runner = await _runner(services, request)
    wanted = await _body(request, Wanted)
    mirror, order = await _order(services, runner, wanted)
    begun, answer = time.monotonic(), "failed"
    try:
        commit = await services.bringing.brought(mirror, order, str(runner.pod_uid))
        answer = "brought"
    except HostRefused as error:
        answer = "refused"
        raise Problem(502, str(error)) from None
    except NotNow as error:
        answer = "not-now"
        raise Problem(503, str(error)) from None
    except NoRoom as error:
        answer = "no-room"
        raise Problem(507, str(error)) from None
    finally:
        services.metrics.brought.labels(answer).inc()
        seconds = round(time.monotonic() - begun, 3)
        log.info("asked for", answer=answer, job=str(runner.job_uid), host=order.location.host, seconds=seconds)
    return JSONResponse(Brought(commit=commit).model_dump())


async def _order(services: Services, runner: Runner, wanted: Wanted) -> tuple[Mirror, Order]:
    if not runner.repository:
        raise Problem(403, "The pod's job names no repository.")
    try:
        location = await asyncio.to_thread(locate, runner.repository, services.settings.hosts)
        ref = check_ref(wanted.ref)
    except (Permanent, Transient) as error:
        raise Problem(502, str(error)) from None
    return services.mirrors.of(runner.namespace, runner.repository), Order(
        location, ref, wanted.username, wanted.password
    )


async def advertise(services: Services, request: Request) -> ASGIApp:
    """The first half of git's fetch."""
    if request.query_params.get("service") != "git-upload-pack":
        raise Problem(403, "Only git-upload-pack is served here.")
    return await _reading(services, request, None)


async def upload(services: Services, request: Request) -> ASGIApp:
    """The second half: what the client wants and has, answered by a pack."""
    raw = await _bytes(request, MAX_REQUEST)
    try:
        body = unpacked(raw, request.headers.get("content-encoding", ""))
    except TooMuch as error:
        raise Problem(413, str(error)) from None
    return await _reading(services, request, body)


async def _reading(services: Services, request: Request, body: bytes | None) -> ASGIApp:
    runner = await _runner(services, request)
    mirror = services.mirrors.found(runner.namespace, runner.repository)
    if mirror is None or not mirror.granted(str(runner.pod_uid)):
        raise Problem(403, "Ask for the repository first: its own host decides whether this job may read it.")
    pack = UploadPack(mirror.repository, body, request.headers.get("git-protocol", ""), services.writer.home)

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        with mirror.being_read():
            async with services.reads:
                mirror.touch()
                try:
                    await pack(scope, receive, send)
                except Unreadable:
                    log.warning("a mirror could not be read", mirror=mirror.key, broken=pack.broken)
                    raise
                finally:
                    mirror.suspect = mirror.suspect or pack.broken
                    services.metrics.read.labels("whole" if pack.whole else "broken off").inc()

    return answering


async def clean(services: Services, request: Request) -> Response:
    """Remove the mirrors that a clean-up's limits leave no place for, a batch a call."""
    runner = await _runner(services, request)
    try:
        await services.identities.cleaner(runner, services.settings.system_namespace)
    except NotAllowed as error:
        raise Problem(403, str(error)) from None
    except ClusterError:
        raise Problem(503, "The Kubernetes API can't be asked who calls; try again.") from None
    asked = await _body(request, Sweep)
    own = services.settings.rule
    rule = Rule(
        own.unused_for if asked.unused_for is None else asked.unused_for,
        own.max_bytes if asked.max_bytes is None else asked.max_bytes,
    )
    going = evicted(services.mirrors.held(), rule, time.time())
    gone = going if asked.dry_run else await services.mirrors.removed(going[:AT_A_TIME])
    if not asked.dry_run:
        services.metrics.evicted.labels("clean-up").inc(len(gone))
    names = {each.key for each in gone}
    kept = [each for each in services.mirrors.held() if each.key not in names]
    swept = Swept(
        mirrors=len(gone),
        freed=sum(each.size for each in gone),
        left=0 if asked.dry_run else len(going[AT_A_TIME:]),
        kept=len(kept),
        kept_bytes=sum(each.size for each in kept),
        in_use=sum(each.in_use for each in kept),
    )
    log.info("cleaned", job=str(runner.job_uid), dry_run=asked.dry_run, mirrors=swept.mirrors, freed=swept.freed)
    return JSONResponse(swept.model_dump())


async def metrics(services: Services, request: Request) -> Response:
    """Prometheus' text format."""
    del request
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _healthy(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


async def _runner(services: Services, request: Request) -> Runner:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        return await services.identities.runner(token.strip() if scheme.lower() == "bearer" else "")
    except BadToken as error:
        raise Problem(401, str(error)) from None
    except NotAllowed as error:
        raise Problem(403, str(error)) from None
    except JobGone as error:
        raise Problem(409, str(error), FENCED) from None
    except ClusterError as error:
        log.warning("a runner can't be identified", error=str(error))
        raise Problem(503, "The Kubernetes API can't be asked who calls; try again.") from None


async def _bytes(request: Request, limit: int) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise Problem(413, f"The body is larger than {limit} bytes.")
    except TimeoutError:
        raise Problem(408, f"The body did not arrive within {BODY_SECONDS:.0f} s.") from None
    except ClientDisconnect:
        raise Problem(422, "The body was cut off.") from None
    return body


async def _body(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate_json(await _bytes(request, MAX_BODY))
    except ValidationError as error:  # never with the input: it may be a password
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(("body", *map(str, first["loc"])))
        raise Problem(422, f"{where}: {first['msg']}") from None


async def _told(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for it
    title, code = HTTPStatus(error.status_code).phrase, getattr(error, "code", "")
    body = {"type": "about:blank", "title": title, "status": error.status_code, "detail": error.detail}
    more = {"error": error.detail, **({"code": code} if code else {})}
    headers = dict(error.headers or {})
    if error.status_code in {408, 413}:
        headers["Connection"] = "close"
    return Response(json.dumps(body | more), error.status_code, headers, media_type="application/problem+json")


async def _failed(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, kind=type(error).__name__)
    with suppress(Exception):
        return await _told(request, Problem(500, "The request failed through no fault of yours; it is logged."))
    raise error

"""Prometheus metrics of the API. Never labelled by job or tenant, so their number stays bounded."""

import time
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter that nobody asks for


@dataclass(frozen=True)
class Metrics:
    """One set per process; `registry` is what /metrics shows."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    listeners: Gauge = field(init=False)
    relay_lag: Gauge = field(init=False)
    bad_messages: Counter = field(init=False)
    dropped_listeners: Counter = field(init=False)
    unsent: Gauge = field(init=False)
    claims: Counter = field(init=False)

    def __post_init__(self) -> None:
        """Make each in `registry`."""
        ProcessCollector(registry=self.registry)
        made = {
            "requests": Counter(
                "forge_api_requests",
                "Requests answered.",
                ["port", "method", "route", "status"],
                registry=self.registry,
            ),
            "seconds": Histogram(
                "forge_api_request_seconds", "Time to answer.", ["port", "route"], registry=self.registry
            ),
            "listeners": Gauge(
                "forge_api_listeners", "Open progress connections.", ["transport"], registry=self.registry
            ),
            "relay_lag": Gauge(
                "forge_api_relay_lag_seconds", "From a message's entry in Redis to its relay.", registry=self.registry
            ),
            "bad_messages": Counter(
                "forge_api_bad_messages", "Progress messages that could not be read.", registry=self.registry
            ),
            "dropped_listeners": Counter(
                "forge_api_dropped_listeners", "Progress connections dropped as too slow.", registry=self.registry
            ),
            "unsent": Gauge(
                "forge_api_unsent_jobs", "Accepted jobs that are not yet in the cluster.", registry=self.registry
            ),
            "claims": Counter("forge_api_claims", "Attempts claimed, by answer.", ["answer"], registry=self.registry),
        }
        for name, metric in made.items():
            object.__setattr__(self, name, metric)


class Measured:
    """ASGI middleware: counts and times each request under its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics, port: str) -> None:
        self._app = app
        self._metrics = metrics
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500 if scope["type"] == "http" else 101

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
                message.setdefault("headers", []).append((b"x-content-type-options", b"nosniff"))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = template_of(scope)
            method = scope.get("method", "WEBSOCKET")
            self._metrics.requests.labels(self._port, _known(method), route, str(status)).inc()
            self._metrics.seconds.labels(self._port, route).observe(time.perf_counter() - begun)


def template_of(scope: Scope) -> str:
    """The path's template with the prefix that its router was included under, which the route doesn't know."""
    known = getattr(scope.get("route"), "path_format", None)
    if known is None:
        return "unmatched"
    parts = scope["path"].split("/")
    return "/".join(parts[: len(parts) - known.count("/")]) + str(known)


def _known(method: str) -> str:
    """A client may invent methods; a label may not follow it."""
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"} else "other"

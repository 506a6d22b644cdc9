"""The two apps: the public one for people and browsers, the internal one for runners and Prometheus."""

from typing import Any

from fastapi import FastAPI

from forge_api import problems
from forge_api.internal import baselines, caches, maintenance
from forge_api.internal import routes as internal
from forge_api.limits import BodyLimits, internal_limit, public_limit
from forge_api.metrics import Measured
from forge_api.problems import ProblemView
from forge_api.routes import (
    dead_letters,
    explaining,
    health,
    jobs,
    logs,
    progress,
    repositories,
    results,
    submissions,
    timeline,
    usage,
    webhooks,
)
from forge_api.services import Services

VERSION = "0.1.0"
ROOTS = ("/analyses", "/jobs")
"""A job has two names: the one of ADR-006, and the one that fits every kind of work (ADR 0020)."""


def public_app(services: Services) -> FastAPI:
    """Everything that a token of a tenant opens."""
    app = _app("Forge Jobs", services)
    of_a_job = (jobs, explaining, timeline, results, logs, progress)
    for root in ROOTS:
        for router in (*(module.router for module in of_a_job), dead_letters.of_job):
            app.include_router(router, prefix=root)
    for module in (submissions, dead_letters, repositories, webhooks, usage, health):
        app.include_router(module.router)
    app.add_middleware(BodyLimits, limit_of=public_limit)
    app.add_middleware(Measured, metrics=services.metrics, port="public")
    return app


def internal_app(services: Services) -> FastAPI:
    """Everything that only the cluster's own network reaches."""
    app = _app("Forge Jobs, internal", services)
    for module in (internal, baselines, caches, maintenance, health):
        app.include_router(module.router)
    app.include_router(internal.looking)
    app.add_middleware(BodyLimits, limit_of=internal_limit)
    app.add_middleware(Measured, metrics=services.metrics, port="internal")
    return app


class _App(FastAPI):
    """Problem documents are named in `responses` by reference; the schema they refer to is added to the description."""

    def openapi(self) -> dict[str, Any]:
        """Made when it is first asked for: it takes as long as all the rest of an API's start."""
        begun = self.openapi_schema is None
        described = super().openapi()
        if begun:
            schemas = described.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemView"] = ProblemView.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return described


def _app(title: str, services: Services) -> FastAPI:
    app = _App(title=title, version=VERSION, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    problems.install(app)
    return app

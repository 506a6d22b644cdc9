"""Everything that a request may use, made once at the start and closed in reverse at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from forge_api.auth import Verifier
from forge_api.background import repeating
from forge_api.dispatching import Dispatcher
from forge_api.endpoint_secrets import EndpointSecrets
from forge_api.estimating import Estimating
from forge_api.internal.identity import Identities
from forge_api.internal.ownerless import Ownerless
from forge_api.internal.upkeep import Kept, Upkeep
from forge_api.keys import keys_from
from forge_api.metrics import Metrics
from forge_api.operator import Operator
from forge_api.queues import Queues
from forge_api.relay import Relay
from forge_api.settings import Settings
from forge_api.submitter import Submitter
from forge_api.tenants import Tenants
from forge_core.cluster import Cluster
from forge_core.history.attempts import Attempts
from forge_core.history.baselines import Baselines
from forge_core.history.caches import Caches
from forge_core.history.causes import fill_in
from forge_core.history.database import History
from forge_core.history.dead_letters import DeadLetters
from forge_core.history.deliveries import Deliveries
from forge_core.history.endpoints import Endpoints
from forge_core.history.estimates import Estimates
from forge_core.history.notes import Notes
from forge_core.history.purge import Purge
from forge_core.history.queries import Queries
from forge_core.history.records import Records
from forge_core.history.redriving import Redriving
from forge_core.history.repositories import Repositories
from forge_core.history.submissions import Submissions
from forge_core.history.timeline import Timelines
from forge_core.history.trends import Trends
from forge_core.history.usage import Usages
from forge_core.kube import Kubernetes
from forge_core.progress import Progress

STORES_AT_ONCE: Final = 4
"""Whole artefacts in memory at a time."""
FILL_IN_SECONDS: Final = 60.0
"""Between looks for failed jobs that an older release wrote without a fingerprint."""
READER_SECONDS: Final = 15.0
"""Socket timeout of the connection whose reads block."""


@dataclass
class Life:
    """Whether the process is on its way out."""

    draining: bool = False


@dataclass(frozen=True)
class Services:
    """Held by both apps as `app.state.services`."""

    kube: Kubernetes
    progress: Progress
    reader: Progress
    verifier: Verifier
    tenants: Tenants
    queues: Queues
    identities: Identities
    queries: Queries
    baselines: Baselines
    caches: Caches
    repositories: Repositories
    trends: Trends
    submissions: Submissions
    dead_letters: DeadLetters
    redriving: Redriving
    attempts: Attempts
    records: Records
    timelines: Timelines
    notes: Notes
    relay: Relay
    submitter: Submitter
    operator: Operator
    estimating: Estimating
    upkeep: Upkeep
    endpoints: Endpoints
    endpoint_secrets: EndpointSecrets
    deliveries: Deliveries
    metrics: Metrics
    life: Life = field(default_factory=Life)
    storing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(STORES_AT_ONCE))


@asynccontextmanager
async def services(settings: Settings, kube: Kubernetes | None = None) -> AsyncIterator[Services]:
    """Connect to everything (nothing is sent yet) and start what works in the background."""
    async with AsyncExitStack() as stack:
        if kube is None:
            kube = await stack.enter_async_context(Cluster.connect())
        history = await stack.enter_async_context(History.connect(settings.database_url.get_secret_value()))
        password = settings.redis_password.get_secret_value()
        redis = (settings.redis_url, settings.redis_username, password)
        progress = await stack.enter_async_context(Progress.connect(*redis))
        reader = await stack.enter_async_context(Progress.connect(*redis, seconds=READER_SECONDS))
        metrics, queries, submissions = Metrics(), Queries(history), Submissions(history)
        submitter = Submitter(kube, submissions, metrics, settings.redrives_per_second)
        relay = Relay(reader, queries.states, metrics, settings.listeners_per_tenant)
        await stack.enter_async_context(submitter.working())
        await stack.enter_async_context(relay.working())
        deliveries = Deliveries(history)
        await stack.enter_async_context(Dispatcher(deliveries, submissions, submitter).working())
        operator = await stack.enter_async_context(
            Operator.connect(settings.operator_url, settings.operator_token.get_secret_value())
        )
        await stack.enter_async_context(repeating("fingerprints", partial(fill_in, history), FILL_IN_SECONDS))
        caches, endpoints, endpoint_secrets = Caches(history), Endpoints(history), EndpointSecrets(kube)
        ownerless = Ownerless(endpoints, endpoint_secrets, operator)
        yield Services(
            kube=kube,
            progress=progress,
            reader=reader,
            verifier=Verifier(keys_from(settings.jwt_keys), settings.jwt_issuer, settings.jwt_audience),
            tenants=Tenants(kube),
            queues=Queues(kube),
            identities=Identities(kube),
            queries=queries,
            baselines=Baselines(history),
            caches=caches,
            repositories=Repositories(history),
            trends=Trends(history),
            submissions=submissions,
            dead_letters=DeadLetters(history),
            redriving=Redriving(history, settings.redrives_per_second),
            attempts=Attempts(history),
            records=Records(history),
            timelines=Timelines(history),
            notes=Notes(history),
            relay=relay,
            submitter=submitter,
            operator=operator,
            estimating=Estimating(Estimates(history)),
            endpoints=endpoints,
            endpoint_secrets=endpoint_secrets,
            deliveries=deliveries,
            upkeep=Upkeep(_kept(settings), Usages(history), Purge(history), caches, ownerless),
            metrics=metrics,
        )


def _kept(settings: Settings) -> Kept:
    rows, artifacts = settings.history_retention, settings.artifact_retention
    return Kept(settings.system_namespace, timedelta(seconds=rows), timedelta(seconds=artifacts))

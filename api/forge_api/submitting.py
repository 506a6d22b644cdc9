"""What every submission has in common, whichever route took it: its spec, its row, its way to the cluster."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from forge_api.deps import Caller
from forge_api.problems import Problem
from forge_api.services import Services
from forge_api.submitter import Rejected
from forge_api.views import Accepted
from forge_core.history.repositories import Repository
from forge_core.history.submissions import Submission


@dataclass(frozen=True)
class Wish:
    """A job as a caller wants it: its queue and the queue's kind of work, its place in it, what to do and on what."""

    queue: str
    kind: str
    priority: int
    config: dict[str, Any]
    repository: Repository | None = None


async def submitted(services: Services, caller: Caller, wish: Wish) -> Accepted:
    """The job is not lost from here on, even while the cluster is away. Raises Problem 422 when it is refused."""
    job = Submission(
        id=uuid4(),
        tenant=caller.tenant,
        namespace=caller.namespace,
        spec=_spec(wish, caller),
        created_at=datetime.now(UTC),
        kind=wish.kind,
    )
    await services.submissions.accept(job)
    await send(services, job.id)
    return Accepted(id=job.id, estimated_duration=await services.estimating.seconds(wish.queue))


async def send(services: Services, job_id: UUID) -> None:
    """To the cluster, if it is there: what it refuses at once is told at once (Problem 422), and taken back."""
    try:
        await services.submitter.sent_at_once(job_id)
    except Rejected as error:
        await services.submissions.forget(job_id)
        raise Problem(422, str(error), code="refused") from None


async def registered(services: Services, caller: Caller, repository_id: UUID) -> Repository:
    """The caller's repository of that id. Raises Problem 404."""
    repository = await services.repositories.find(caller.tenant, repository_id)
    if repository is None:
        raise Problem(404, "Repository not found")
    return repository


def _spec(wish: Wish, caller: Caller) -> dict[str, Any]:
    spec: dict[str, Any] = {"queue": wish.queue, "priority": wish.priority, "requestedBy": caller.identity.user}
    if wish.repository is not None:
        spec |= {"repository": _where(wish.repository), "repositoryId": str(wish.repository.id)}
    return {**spec, "config": wish.config} if wish.config else spec


def _where(repository: Repository) -> dict[str, Any]:
    where: dict[str, Any] = {"url": repository.url}
    if repository.ref:
        where["ref"] = repository.ref
    if repository.credentials_secret:
        where["credentialsSecretRef"] = {"name": repository.credentials_secret}
    return where

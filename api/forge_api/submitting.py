"""What every submission has in common, whichever route took it: its spec, its row, its way to the cluster."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from forge_api.deps import Caller
from forge_api.problems import Problem
from forge_api.services import Services
from forge_api.submitter import Rejected
from forge_api.views import Accepted
from forge_core.history.repeating import Once, OtherRequest, Outstanding
from forge_core.history.repositories import Repository
from forge_core.history.submissions import Submission

_OTHER_REQUEST: Final = "This Idempotency-Key was used in the last 24 hours for another request: take a new one."
_OUTSTANDING: Final = "The first request with this Idempotency-Key is still at work: repeat it in a second."


@dataclass(frozen=True)
class Wish:
    """A job as a caller wants it: its queue and the queue's kind of work, its place in it, what to do and on what."""

    queue: str
    kind: str
    priority: int
    config: dict[str, Any]
    repository: Repository | None = None


@dataclass(frozen=True)
class Submitted:
    """What a submission is answered; `again` when it was accepted before, under the same key."""

    answer: Accepted
    again: bool


async def submitted(services: Services, caller: Caller, wish: Wish, once: Once | None = None) -> Submitted:
    """The job is not lost from here on, even while the cluster is away. Raises Problem 409 and 422."""
    job = Submission(
        id=uuid4(),
        tenant=caller.tenant,
        namespace=caller.namespace,
        spec=_spec(wish, caller),
        created_at=datetime.now(UTC),
        kind=wish.kind,
    )
    try:
        job_id = await services.submissions.accept(job, once)
    except OtherRequest:
        raise Problem(422, _OTHER_REQUEST, code="idempotency-key-reused") from None
    except Outstanding:
        raise Problem(409, _OUTSTANDING, code="outstanding", headers={"Retry-After": "1"}) from None
    again = job_id != job.id
    if not again:
        await send(services, job_id)
    answer = Accepted(id=job_id, estimated_duration=await services.estimating.seconds(wish.queue))
    return Submitted(answer, again)


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

"""What routes are given: the services, the caller, one of the caller's jobs."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security, WebSocket
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from forge_api.auth import Identity
from forge_api.problems import Problem, unauthenticated
from forge_api.services import Services
from forge_core.history.queries import Job

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT (RS256 or ES256) with the claim tenant.")
SUBPROTOCOL = "forge.v1"
TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 - a prefix


@dataclass(frozen=True)
class Caller:
    """Who calls, and the namespace of the tenant."""

    identity: Identity
    namespace: str

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        return self.identity.tenant


def services_of(connection: HTTPConnection) -> Services:
    """The app's services."""
    found: Services = connection.app.state.services
    return found


Held = Annotated[Services, Depends(services_of)]


async def admit(services: Services, token: str | None) -> Caller:
    """The caller of a token. Raises Problem 401, 403, 503."""
    if not token:
        raise Problem(401, "A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
    identity = await services.verifier.verify(token)
    namespace = await services.tenants.namespace(identity.tenant)
    if namespace is None:
        raise Problem(403, f"No namespace of this cluster belongs to the tenant {identity.tenant!r}.")
    return Caller(identity, namespace)


async def caller_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    """The caller of a request."""
    if len(request.headers.getlist("authorization")) > 1:
        raise unauthenticated("The request carries more than one Authorization header.")
    return await admit(services_of(request), credentials.credentials if credentials else None)


Calling = Annotated[Caller, Depends(caller_of)]


def root_of(connection: HTTPConnection) -> str:
    """Under which of its two names the caller sees a job: `/analyses` or `/jobs` (ADR 0020)."""
    return "/" + str(connection.scope["path"]).split("/", 2)[1]


Root = Annotated[str, Depends(root_of)]


def socket_token(socket: WebSocket) -> str | None:
    """A socket's token: the Authorization header, or (browsers can't set one) the subprotocol `bearer.<token>`."""
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in socket.scope.get("subprotocols", []):
        if offered.startswith(TOKEN_SUBPROTOCOL):
            return str(offered.removeprefix(TOKEN_SUBPROTOCOL))
    return None


async def find(services: Services, caller: Caller, job_id: UUID) -> Job:
    """The caller's job, as its row has it. Raises Problem 404, for another tenant's too."""
    job = await services.queries.job(caller.tenant, job_id)
    if job is None:
        raise Problem(404, "Job not found")
    return job


async def job_of(services: Held, caller: Calling, job_id: UUID) -> Job:
    """The job that the path names."""
    return await find(services, caller, job_id)


Named = Annotated[Job, Depends(job_of)]

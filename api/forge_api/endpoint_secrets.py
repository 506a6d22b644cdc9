"""The Secrets of webhook endpoints: written, changed and deleted, never read (ADR 0018).

A secret is in this process from its making until it is answered to its owner, and nowhere else: what the Kubernetes API
says of a Secret that it doesn't take is passed on by its kind alone.
"""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from forge_api.problems import Problem, unavailable
from forge_core.cluster import ApiError, ClusterError, NotFound, Refused, core
from forge_core.durations import timestamp
from forge_core.history.endpoints import Endpoint
from forge_core.kube import Kubernetes, create, edit, merge, remove
from forge_core.logs import get_logger
from forge_core.names import COMPONENT_LABEL
from forge_core.webhooks import SecretKey

BYTES: Final = 32
log = get_logger("api.webhooks")


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(BYTES)).decode()


class EndpointSecrets:
    """Every method raises Problem 503 while the Kubernetes API is away, 422 when it refuses (a quota, say)."""

    def __init__(self, kube: Kubernetes) -> None:
        self._kube = kube

    async def make(self, endpoint: Endpoint) -> str:
        """Make the endpoint's Secret; answers the secret in it."""
        secret = new_secret()
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": endpoint.secret,
                "namespace": endpoint.namespace,
                "labels": {COMPONENT_LABEL: "webhook-endpoint"},
            },
            "type": "Opaque",
            "data": {SecretKey.URL.value: _encoded(endpoint.url), SecretKey.SECRET.value: _encoded(secret)},
        }
        async with _told():
            await create(self._kube, core("secrets", endpoint.namespace), body)
        return secret

    async def lead_to(self, endpoint: Endpoint, url: str) -> None:
        """Another URL, from the next call on."""
        async with _told():
            await merge(self._kube, _path(endpoint), {"data": {SecretKey.URL.value: _encoded(url)}})

    async def rotate(self, endpoint: Endpoint, until: datetime) -> str:
        """A new secret; the one so far signs beside it `until` then. The server moves it: it isn't read here."""
        secret = new_secret()
        steps = [
            {"op": "copy", "from": f"/data/{SecretKey.SECRET}", "path": f"/data/{SecretKey.PREVIOUS}"},
            {"op": "add", "path": f"/data/{SecretKey.PREVIOUS_UNTIL}", "value": _encoded(timestamp(until))},
            {"op": "replace", "path": f"/data/{SecretKey.SECRET}", "value": _encoded(secret)},
        ]
        async with _told():
            await edit(self._kube, _path(endpoint), steps)
        return secret

    async def forget(self, namespace: str, name: str) -> None:
        """Delete one; one that isn't there is deleted."""
        async with _told():
            try:
                await remove(self._kube, core("secrets", namespace, name))
            except NotFound:
                return


def _path(endpoint: Endpoint) -> str:
    return core("secrets", endpoint.namespace, endpoint.secret)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        yield
    except NotFound:
        raise Problem(
            409, "The endpoint's Secret isn't there any more: delete the endpoint and register it again."
        ) from None
    except ClusterError as error:
        reason = f"{error.status} {error.reason}" if isinstance(error, ApiError) else type(error).__name__
        log.warning("an endpoint's Secret can't be written", reason=reason)
        if isinstance(error, Refused):
            raise Problem(
                422, f"The cluster refuses the endpoint's Secret ({reason}): ask the administrator.", code="refused"
            ) from None
        raise unavailable("The endpoint's Secret can't be written now (Kubernetes API): try again.") from None

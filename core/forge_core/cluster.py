"""The Kubernetes API by raw JSON: the only module that touches the client library.

Built on the official client's asyncio side (`kubernetes.aio`), for configuration, token renewal and TLS; bodies stay
plain dicts, for building model objects costs more than all the rest of a request. Errors are typed by what a caller
can do about them.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from pydantic_core import from_json

from forge_core.names import ANALYSIS_JOBS, GROUP, JOB_QUEUES, VERSION
from forge_core.retry_after import asked_for

Raw = dict[str, Any]
"""One Kubernetes object, or a list of them, as the API server sent it."""

STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
"""Merges a list such as `status.conditions` by its key; only of Kubernetes' own kinds."""
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
REQUEST_SECONDS: Final = 30.0
WATCH_LINE_BYTES: Final = 8 * 1024 * 1024


class ClusterError(Exception):
    """The API server refused, or could not be asked."""


@dataclass
class ApiError(ClusterError):
    """An answer other than success. `reason` is the Status object's (`NotFound`, `AlreadyExists`, `Conflict`, ...)."""

    status: int
    reason: str
    message: str
    retry_after: float = 0.0
    """Seconds that the API server asked to be left alone, 0 for none."""

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.message}"


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: the object was changed since it was read, or (`AlreadyExists`) is there already."""

    @property
    def already_exists(self) -> bool:
        """Whether a create met an object of that name."""
        return self.reason == "AlreadyExists"


class Gone(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class Refused(ApiError):
    """400, 403, 413, 422: the same request will be refused again."""


class Unavailable(ApiError):
    """429 or 5xx: the same request may succeed later, after `retry_after` seconds."""


class Unreachable(ClusterError):
    """No answer: refused, reset or timed out. What became of a write is unknown."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {404: NotFound, 409: Conflict, 410: Gone}


def _error(status: int, body: bytes, retry_after: str | None) -> ApiError:
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    kind = _BY_STATUS.get(status) or (Unavailable if status == 429 or status >= 500 else Refused)
    message = str(document.get("message") or body[:300].decode(errors="replace"))
    return kind(status, str(document.get("reason") or status), message, asked_for(retry_after, datetime.now(UTC)))


# --- paths -------------------------------------------------------------------------------------------------------


def _path(prefix: str, plural: str, namespace: str | None, name: str | None) -> str:
    parts = [prefix]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    if name is not None:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def analysis_jobs(namespace: str | None = None, name: str | None = None) -> str:
    """Path of AnalysisJobs: all, those of a namespace, or one."""
    return _path(f"/apis/{GROUP}/{VERSION}", ANALYSIS_JOBS, namespace, name)


def job_queues(name: str | None = None) -> str:
    """Path of JobQueues: all, or one."""
    return _path(f"/apis/{GROUP}/{VERSION}", JOB_QUEUES, None, name)


def jobs(namespace: str | None = None, name: str | None = None) -> str:
    """Path of batch/v1 Jobs."""
    return _path("/apis/batch/v1", "jobs", namespace, name)


def core(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """Path of a kind of the core group: `core("pods", "team-a", "p")`."""
    return _path("/api/v1", plural, namespace, name)


TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path


def leases(namespace: str, name: str | None = None) -> str:
    """Path of Leases."""
    return _path("/apis/coordination.k8s.io/v1", "leases", namespace, name)


# --- the client --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One request, before the server's address and the credentials are added. `seconds` bounds the whole of it."""

    method: str
    path: str
    query: Mapping[str, str | int]
    body: Raw | list[Raw] | None = None
    content_type: str = "application/json"
    seconds: float = REQUEST_SECONDS

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def resource(self) -> str:
        """What it is about, as RBAC names it: `jobs`, `analysisjobs/status`."""
        parts = self.path.split("/")[3 if self.path.startswith("/api/") else 4 :]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        return "/".join(parts[::2])


def _unheard(_call: Call, _outcome: str) -> None:
    """Nobody wants to know."""


class Cluster:
    """One connection pool to the API server. Use `async with Cluster.connect() as cluster`."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.heard: Callable[[Call, str], None] = _unheard
        """Told of each request once it is over, and how: `ok`, the error's kind in small letters, or `abandoned`."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: str | None = None, pool: int = 100) -> AsyncIterator[Self]:
        """Connect as the pod's ServiceAccount, or outside of a cluster by `kubeconfig` (default: KUBECONFIG).

        Raises kubernetes.aio.config.ConfigException when there is neither.
        """
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = pool
        if kubeconfig is not None:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        else:
            try:
                config.load_incluster_config(client_configuration=configuration)
            except config.ConfigException:
                await config.load_kube_config(client_configuration=configuration)
        # Asked of the environment at each request, its proxy and the user's netrc would cost a fifth of the operator.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or _proxy_to(configuration.host)
        async with client.ApiClient(configuration=configuration) as api:
            yield cls(api)

    async def get(self, path: str, **query: str | int) -> Raw:
        """Read one object or a list. Raises ClusterError."""
        return await self.request(Call("GET", path, query))

    async def create(self, path: str, body: Raw, **query: str | int) -> Raw:
        """POST `body`. Raises Conflict with `already_exists`, Refused, ..."""
        return await self.request(Call("POST", path, query, body))

    async def patch(self, path: str, body: Raw | list[Raw], content_type: str = MERGE_PATCH, **query: str | int) -> Raw:
        """PATCH. A merge patch that carries a resourceVersion raises Conflict when that is not the current one."""
        return await self.request(Call("PATCH", path, query, body, content_type))

    async def delete(
        self,
        path: str,
        uid: str | None = None,
        propagation: str = "Background",
        grace: int | None = None,
        version: int | None = None,
    ) -> Raw:
        """DELETE, only the object with `uid` and resourceVersion `version` when given.

        Raises NotFound, Conflict (another UID, or changed since). Answers the object while something still holds it,
        else a Status.
        """
        options: Raw = {"propagationPolicy": propagation}
        only: Raw = {"uid": uid, "resourceVersion": None if version is None else str(version)}
        only = {name: value for name, value in only.items() if value is not None}
        if only:
            options["preconditions"] = only
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        return await self.request(Call("DELETE", path, {}, options))

    async def request(self, call: Call) -> Raw:
        """One request and its JSON answer. Raises ApiError's kinds and Unreachable."""
        outcome = "abandoned"
        try:
            answer = await self._request(call)
            outcome = "ok"
        except ClusterError as error:
            outcome = type(error).__name__.lower()
            raise
        finally:
            self.heard(call, outcome)
        return answer

    async def _request(self, call: Call) -> Raw:
        response = await self._open(call)
        try:
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"{call}: {error or type(error).__name__}") from error
        finally:
            response.release()
        if response.status >= 400:
            raise _error(response.status, raw, response.headers.get("Retry-After"))
        answer: Raw = from_json(raw) if raw else {}
        return answer

    async def pages(self, path: str, limit: int = 500, **query: str | int) -> AsyncIterator[Raw]:
        """The pages of a list, all of one resourceVersion. Raises Gone when reading them took too long."""
        token = ""
        while True:
            page = await self.get(path, limit=limit, **query, **({"continue": token} if token else {}))
            yield page
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def watch(
        self, path: str, resource_version: str, seconds: int = 300, **query: str | int
    ) -> AsyncIterator[tuple[str, Raw]]:
        """(type, object) of each event since `resource_version`, bookmarks included, until the server ends the watch.

        Raises Gone when the version is too old, Unavailable, Unreachable.
        """
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
        }
        response = await self._open(Call("GET", path, asked, seconds=seconds + 30.0))
        try:
            if response.status >= 400:
                raise _error(response.status, await response.read(), response.headers.get("Retry-After"))
            async for line in _lines(response):
                event = from_json(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise _error(int(status.get("code", 500)), json.dumps(status).encode(), None)
                yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"watch {path}: {error or type(error).__name__}") from error
        finally:
            response.close()

    async def _open(self, call: Call) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], call.path, call.method, call.body)
        url = self._api.configuration.host + call.path
        if call.query:
            url += "?" + urlencode(call.query)
        limit = aiohttp.ClientTimeout(total=call.seconds, sock_connect=10)
        try:
            answer = await self._api.rest_client.request(call.method, url, headers, call.body, _request_timeout=limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{call}: {error or type(error).__name__}") from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _proxy_to(url: str) -> str | None:
    """The proxy that the environment names for a server: HTTPS_PROXY unless NO_PROXY has its host."""
    server = urlsplit(url)
    if server.hostname is None or proxy_bypass(server.hostname):
        return None
    return getproxies().get(server.scheme)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length up to WATCH_LINE_BYTES: an object may be larger than the client's own line limit."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > WATCH_LINE_BYTES:
            raise Unreachable("a watch event is larger than any object may be")

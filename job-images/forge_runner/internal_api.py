"""The runner's side of the internal API (forge_core.attempts), single tries; patience.py tries again.

What can go wrong is told apart by what a runner can do about it: wait (`Away`), stop without a word (`Fenced`), end
the job (`Exhausted`, `AlreadyDone`), or say that the API refuses (`Refused`).
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx2

from forge_core.attempts import (
    DONE,
    EXHAUSTED,
    FENCED,
    INTERNAL_PREFIX,
    MAX_ARTIFACT_BYTES,
    MAX_CACHE_BYTES,
    Claim,
    ClaimRequest,
    Outcome,
)
from forge_core.maintenance import Ask, Done, Step
from forge_core.retry_after import asked_for
from forge_core.wire import Unreadable, read
from forge_runner.result_files import StoredArtifact

T = TypeVar("T")
TIMEOUT: Final = httpx2.Timeout(30.0, connect=5.0)
_MOMENTARY: Final = frozenset({401, 408, 425, 429})
"""Besides 5xx: a token is renewed by the kubelet, so that the next try may carry a good one."""


class Away(Exception):
    """The API, or what it stands on, can't answer now. `pause` is the seconds that it asked for, 0 for none."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class Fenced(Exception):
    """Another attempt was claimed since, or the job is over."""


class Exhausted(Exception):
    """The budget of attempts is spent; the message is the API's sentence, which may name the last error."""


class AlreadyDone(Exception):
    """An attempt of another pod has succeeded and its result is stored; the message is the API's sentence."""


class Refused(Exception):
    """The same call will be refused again."""


class InternalApi:
    """One connection to the API's internal port. Each call is one try and reads the token anew."""

    def __init__(self, client: httpx2.AsyncClient, token_path: Path) -> None:
        self._client = client
        self._token_path = token_path

    @classmethod
    @asynccontextmanager
    async def connect(cls, base_url: str, token_path: Path) -> AsyncIterator[Self]:
        """Prepare it; nothing is sent. Proxies of the environment are not for traffic within the cluster."""
        # Without TLS there is nothing to verify, and to read the authorities takes a while.
        tls = httpx2.URL(base_url).scheme != "http"
        async with httpx2.AsyncClient(base_url=base_url, verify=tls, timeout=TIMEOUT, trust_env=False) as client:
            yield cls(client, token_path)

    async def claim(self, number_in_pod: int) -> Claim:
        """Ask for an attempt. Raises AlreadyDone, Exhausted, Fenced, Away, Refused."""
        body = ClaimRequest(number_in_pod=number_in_pod).body()
        answer = await self._send("POST", "/attempts", body, {"Content-Type": "application/json"})
        try:
            return read(answer, Claim)
        except Unreadable as error:
            raise Away("the API's answer to a claim can't be read") from error

    async def put_artifact(self, attempt: int, artifact: StoredArtifact) -> None:
        """Store one artefact. Raises Fenced, Away, Refused."""
        path = f"/attempts/{attempt}/artifacts/{artifact.name}"
        await self._send("PUT", path, _streamed(artifact), _headers(artifact))

    async def put_outcome(self, attempt: int, outcome: Outcome) -> None:
        """Commit how the attempt ended. Raises Fenced, Away, Refused."""
        body = outcome.body()
        await self._send("PUT", f"/attempts/{attempt}/outcome", body, {"Content-Type": "application/json"})

    async def get_baseline(self, attempt: int, file: Path) -> None:
        """Write the artefact that this job is compared with to `file`. Raises Fenced, Away, Refused, OSError."""
        await self._fetch(f"/attempts/{attempt}/baseline", file, MAX_ARTIFACT_BYTES)

    async def get_cache(self, attempt: int, name: str, file: Path) -> None:
        """Write what an earlier job of the repository kept to `file`. Raises Fenced, Away, Refused, OSError."""
        await self._fetch(f"/attempts/{attempt}/caches/{name}", file, MAX_CACHE_BYTES)

    async def put_cache(self, attempt: int, name: str, cache: StoredArtifact) -> None:
        """Keep it for the next job of the repository. Raises Fenced, Away, Refused."""
        await self._send("PUT", f"/attempts/{attempt}/caches/{name}", _streamed(cache), _headers(cache))

    async def maintain(self, step: Step, ask: Ask) -> Done:
        """Have one batch of maintenance done (forge_core.maintenance). Raises Fenced, Away, Refused."""
        body = ask.body()  # an API of an older release knows fewer fields
        answer = await self._send("POST", f"/maintenance/{step}", body, {"Content-Type": "application/json"})
        try:
            return read(answer, Done)
        except Unreadable as error:
            raise Away("the API's answer can't be read") from error

    def _authorization(self) -> dict[str, str]:
        try:
            return {"Authorization": f"Bearer {self._token_path.read_text().strip()}"}
        except OSError as error:
            raise Away(f"the token can't be read ({type(error).__name__})") from error

    async def _fetch(self, path: str, file: Path, limit: int) -> None:
        try:
            async with self._client.stream("GET", INTERNAL_PREFIX + path, headers=self._authorization()) as response:
                if not response.is_success:
                    await response.aread()
                    raise _failure(response)
                await _received(response, file, limit)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Away(f"the API does not answer ({type(error).__name__})") from error

    async def _send(
        self, method: str, path: str, content: bytes | AsyncIterator[bytes], headers: dict[str, str]
    ) -> bytes:
        try:
            sent = {**headers, **self._authorization()}
            response = await self._client.request(method, INTERNAL_PREFIX + path, content=content, headers=sent)
        except httpx2.TransportError as error:
            raise Away(f"the API does not answer ({type(error).__name__})") from error
        if response.is_success:
            return response.content
        raise _failure(response)


def _headers(artifact: StoredArtifact) -> dict[str, str]:
    return {
        "Content-Type": artifact.content_type,
        "Content-Length": str(artifact.size),
        "Content-Digest": f"sha-256=:{base64.b64encode(artifact.sha256).decode()}:",
    }


async def _received(response: httpx2.Response, file: Path, limit: int) -> None:
    size = 0
    with file.open("wb") as out:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                raise Refused(f"what came is larger than {limit} bytes")
            out.write(chunk)


async def _streamed(artifact: StoredArtifact) -> AsyncIterator[bytes]:
    for chunk in artifact.chunks():
        yield chunk


def _failure(response: httpx2.Response) -> Exception:
    """The exception that an answer other than success stands for."""
    problem = _problem(response)
    said = str(problem.get("detail") or problem.get("error") or problem.get("title") or "")[:500]
    if response.status_code == 409 and problem.get("code") == EXHAUSTED:
        return Exhausted(said)
    if response.status_code == 409 and problem.get("code") == DONE:
        return AlreadyDone(said)
    if response.status_code == 409 and problem.get("code") == FENCED:
        return Fenced(said)
    sentence = f"the API answered {response.status_code}" + (f": {said}" if said else "")
    if response.status_code in _MOMENTARY or response.status_code >= 500:
        asked = asked_for(response.headers.get("Retry-After"), datetime.now(UTC))
        return Away(sentence, asked)
    return Refused(sentence)


def _problem(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content[:65536])
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

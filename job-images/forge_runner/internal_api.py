"""The runner's side of the internal API (forge_core.attempts), single tries; patience.py tries again.

What can go wrong is told apart by what a runner can do about it: wait (`Away`), stop without a word (`Fenced`), end
the job (`Exhausted`, `AlreadyDone`), or say that the API refuses (`Refused`).
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

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
from forge_runner.http1 import Answer, Broken, Call, Client, Limits, NotReached
from forge_runner.result_files import StoredArtifact

T = TypeVar("T")
MAX_ANSWER: Final = 64 * 1024
"""Bytes of what is no artefact."""
LIMITS: Final = Limits(again=0.2)
_JSON: Final = {"Content-Type": "application/json"}
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

    def __init__(self, client: Client, token_path: Path) -> None:
        self._client = client
        self._token_path = token_path

    @classmethod
    @asynccontextmanager
    async def connect(cls, base_url: str, token_path: Path) -> AsyncIterator[Self]:
        """Prepare it; nothing is sent. Raises ValueError for what is no base URL."""
        async with Client.of(base_url.rstrip("/") + INTERNAL_PREFIX, LIMITS) as client:
            yield cls(client, token_path)

    async def claim(self, number_in_pod: int) -> Claim:
        """Ask for an attempt. Raises AlreadyDone, Exhausted, Fenced, Away, Refused."""
        body = ClaimRequest(number_in_pod=number_in_pod).body()
        answer = await self._send("POST", "/attempts", body, _JSON)
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
        await self._send("PUT", f"/attempts/{attempt}/outcome", body, _JSON)

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
        answer = await self._send("POST", f"/maintenance/{step}", body, _JSON)
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
        async with self._answered(Call("GET", path, {})) as answer:
            with file.open("wb") as out:
                size = 0
                async for piece in answer.pieces():
                    size += len(piece)
                    if size > limit:
                        raise Refused(f"what came is larger than {limit} bytes")
                    out.write(piece)

    async def _send(
        self, method: str, path: str, content: bytes | AsyncIterator[bytes], headers: dict[str, str]
    ) -> bytes:
        async with self._answered(Call(method, path, headers, content)) as answer:
            return await answer.text(MAX_ANSWER)

    @asynccontextmanager
    async def _answered(self, call: Call) -> AsyncIterator[Answer]:
        """The answer of a call that succeeded."""
        sent = replace(call, headers={**call.headers, **self._authorization()})
        try:
            async with self._client.call(sent) as answer:
                if not answer.success:
                    raise _failure(answer, await answer.text(MAX_ANSWER))
                yield answer
        except (NotReached, Broken) as error:
            raise Away(f"the API does not answer: it {error}") from error


def _headers(artifact: StoredArtifact) -> dict[str, str]:
    return {
        "Content-Type": artifact.content_type,
        "Content-Length": str(artifact.size),
        "Content-Digest": f"sha-256=:{base64.b64encode(artifact.sha256).decode()}:",
    }


async def _streamed(artifact: StoredArtifact) -> AsyncIterator[bytes]:
    for chunk in artifact.chunks():
        yield chunk


def _failure(answer: Answer, body: bytes) -> Exception:
    """The exception that an answer other than success stands for."""
    problem = _problem(body)
    said = str(problem.get("detail") or problem.get("error") or problem.get("title") or "")[:500]
    if answer.status == 409 and problem.get("code") == EXHAUSTED:
        return Exhausted(said)
    if answer.status == 409 and problem.get("code") == DONE:
        return AlreadyDone(said)
    if answer.status == 409 and problem.get("code") == FENCED:
        return Fenced(said)
    sentence = f"the API answered {answer.status}" + (f": {said}" if said else "")
    if answer.status in _MOMENTARY or answer.status >= 500:
        asked = asked_for(answer.headers.get("retry-after"), datetime.now(UTC))
        return Away(sentence, asked)
    return Refused(sentence)


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}

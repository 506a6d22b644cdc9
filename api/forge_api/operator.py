"""What the operator alone knows, asked for over its port. It answers at once or not at all: a person waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from uuid import UUID

import aiohttp
from pydantic import ValidationError

from forge_core.explanation import MAX_ANSWER_BYTES, Explanation
from forge_core.maintenance import OPERATOR_PATH, Ask, Done, Step
from forge_core.names import EXPLAIN_PATH
from forge_core.wire import Unreadable, read

SECONDS: Final = 1.5
SWEEP_SECONDS: Final = 120.0
"""Of one batch of a clean-up, for which nobody waits."""
TRIES: Final = 2
"""A second try may meet the active operator where the first met one that stands by."""


class OperatorAway(Exception):
    """It did not answer, stands by, or is not configured; the message says which."""


class Operator:
    """The operator as the API sees it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, token: str) -> AsyncIterator[Self]:
        """Nothing is sent yet. Each try has a connection of its own, so that it may meet another replica."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(force_close=True, limit=20),
        ) as session:
            yield cls(session, url)

    @property
    def configured(self) -> bool:
        """Whether there is one to ask."""
        return bool(self._url)

    async def explain(self, uid: UUID) -> Explanation | None:
        """Why an AnalysisJob stands where it stands; None when the operator doesn't hold it. Raises OperatorAway."""
        if not self._url:
            raise OperatorAway("no operator is configured")
        error = ""
        for _ in range(TRIES):
            try:
                async with self._session.get(f"{self._url}{EXPLAIN_PATH}{uid}") as answer:
                    if answer.status == 404:
                        return None
                    if answer.status == 200:
                        return await _read(answer)
                    error = f"it answered {answer.status}"
            except TimeoutError:
                raise OperatorAway(f"it did not answer within {SECONDS:g} s") from None
            except (aiohttp.ClientError, OSError) as failure:
                error = type(failure).__name__
        raise OperatorAway(error)

    async def maintain(self, step: Step, ask: Ask) -> Done:
        """Have it do a batch of a step of its own. Raises OperatorAway."""
        if not self._url:
            raise OperatorAway("no operator is configured")
        error, patience = "", aiohttp.ClientTimeout(total=SWEEP_SECONDS)
        for _ in range(TRIES):
            try:
                url = f"{self._url}{OPERATOR_PATH}{step}"
                async with self._session.post(url, data=ask.body(), timeout=patience) as answer:
                    if answer.status == 200:
                        return read(await answer.read(), Done)
                    error = f"it answered {answer.status}"
            except Unreadable:
                raise OperatorAway("its answer could not be read") from None
            except (aiohttp.ClientError, OSError) as failure:
                error = type(failure).__name__
        raise OperatorAway(error)


async def _read(answer: aiohttp.ClientResponse) -> Explanation:
    if not 0 < (answer.content_length or 0) <= MAX_ANSWER_BYTES:
        raise OperatorAway("its answer is too long")
    try:
        return Explanation.model_validate_json(await answer.read())
    except ValidationError:
        raise OperatorAway("its answer could not be read") from None

"""What the operator alone knows or may do, asked for over its port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import aiohttp
from pydantic import ValidationError

from forge_core.explanation import MAX_ANSWER_BYTES, Explanation
from forge_core.maintenance import OPERATOR_PATH, Ask, Done, Step
from forge_core.names import EXPLAIN_PATH
from forge_core.wire import Unreadable, read

SECONDS: Final = 1.5
"""Of an explanation: a person waits."""
SWEEP_SECONDS: Final = 25.0
"""Of one batch of a clean-up; its runner waits for 30 s."""
TRIES: Final = 2
"""A second try may meet the active operator where the first met one that stands by."""
_UNREADABLE: Final = "its answer could not be read"


@dataclass(frozen=True)
class Call:
    """One question, and how long it may take."""

    method: str
    path: str
    seconds: float
    body: bytes | None = None


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
        answer = await self._asked(Call("GET", f"{EXPLAIN_PATH}{uid}", SECONDS))
        try:
            return None if answer is None else Explanation.model_validate_json(answer)
        except ValidationError:
            raise OperatorAway(_UNREADABLE) from None

    async def maintain(self, step: Step, ask: Ask) -> Done:
        """Have it do a batch of a step of its own. Raises OperatorAway."""
        answer = await self._asked(Call("POST", f"{OPERATOR_PATH}{step}", SWEEP_SECONDS, ask.body()))
        try:
            return read(answer or b"", Done)
        except Unreadable:
            raise OperatorAway(_UNREADABLE) from None

    async def _asked(self, call: Call) -> bytes | None:
        """What it answers, None for 404. Raises OperatorAway."""
        if not self._url:
            raise OperatorAway("no operator is configured")
        error, patience = "", aiohttp.ClientTimeout(total=call.seconds)
        for _ in range(TRIES):
            try:
                url = self._url + call.path
                async with self._session.request(call.method, url, data=call.body, timeout=patience) as answer:
                    if answer.status == 404:
                        return None
                    if answer.status == 200:
                        return await _body(answer)
                    error = f"it answered {answer.status}"
            except TimeoutError:
                raise OperatorAway(f"it did not answer within {call.seconds:g} s") from None
            except (aiohttp.ClientError, OSError) as failure:
                error = type(failure).__name__
        raise OperatorAway(error)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if not 0 < (answer.content_length or 0) <= MAX_ANSWER_BYTES:
        raise OperatorAway("its answer is too long")
    return await answer.read()

"""One call: a POST to a checked address, within a time, of whose answer no more than the first KiB is read.

Host header, SNI and the certificate are those of the URL's name. Redirects are answers like any other.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from forge_core.retry_after import asked_for
from forge_kinds.webhooks.guard import Checked
from forge_runner import http1
from forge_runner.http1 import Broken, NotReached

BODY_BYTES: Final = 1024
CONNECT_SECONDS: Final = 5.0
"""For one of several addresses, so that the others get a turn."""


@dataclass(frozen=True)
class Answer:
    """What came back. `wait`: seconds that Retry-After asked for, 0 for none."""

    status: int
    seconds: float
    body: str
    wait: float = 0.0

    def account(self) -> dict[str, Any]:
        """As it is kept with the attempt."""
        return {"status": self.status, "seconds": round(self.seconds, 3), "body": self.body}


class NoAnswer(Exception):
    """Nothing came back; `seconds` it took. The message is the end of a sentence and holds no URL."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True)
class Request:
    """What is sent; `body` exactly so."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def call(request: Request, to: Checked, seconds: float) -> Answer:
    """Make the call, all of it within `seconds`. Raises NoAnswer."""
    return asyncio.run(_within(request, to, seconds))


async def _within(request: Request, to: Checked, seconds: float) -> Answer:
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            answer, body = await _called(request, to, seconds)
    except TimeoutError:
        raise NoAnswer(f"did not answer within {seconds:.0f} s", time.monotonic() - began) from None
    except (NotReached, Broken) as error:
        raise NoAnswer(str(error), time.monotonic() - began) from None
    wait = asked_for(answer.headers.get("retry-after"), datetime.now(UTC))
    return Answer(answer.status, time.monotonic() - began, body, wait)


async def _called(request: Request, to: Checked, seconds: float) -> tuple[http1.Answer, str]:
    headers = {**request.headers, "Connection": "close"}
    connection = await _first_reached(to, seconds)
    try:
        answer = await connection.call(http1.Call("POST", http1.target_of(request.url), headers, request.body))
        return answer, await _beginning(answer)
    finally:
        connection.close()


async def _first_reached(to: Checked, seconds: float) -> http1.Connection:
    """The first address that can be connected to is the one that is called. Raises NotReached."""
    target = to.target
    # To read the authorities takes a while.
    tls = ssl.create_default_context() if target.scheme == "https" else None
    *others, last = (http1.Place(each, target.port, target.authority, target.host, tls) for each in to.addresses)
    for place in others:
        with suppress(NotReached):
            return await http1.Connection.open(place, http1.Limits(connect=CONNECT_SECONDS, piece=seconds))
    return await http1.Connection.open(last, http1.Limits(connect=seconds, piece=seconds))


async def _beginning(answer: http1.Answer) -> str:
    """The first KiB as text. A body that breaks off tells what came: the status has been said already."""
    found = b""
    with suppress(Broken):
        async for piece in answer.pieces():
            found += piece
            if len(found) >= BODY_BYTES:
                break
    return found[:BODY_BYTES].decode(errors="replace").replace("\x00", "")

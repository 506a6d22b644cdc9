"""One call: a POST to a checked address, within a time, of whose answer no more than the first KiB is read.

Host header, SNI and the certificate are those of the URL's name. Redirects are answers like any other; neither
proxies nor credentials come from the environment.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx2

from forge_core.retry_after import asked_for
from forge_kinds.webhooks.guard import Checked

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
    tls = (
        ssl.create_default_context() if to.target.scheme == "https" else False
    )  # reading the authorities takes a while
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, timeout=seconds) as client,
        ):
            return await _first_reached(client, request, to, began)
    except TimeoutError:
        raise NoAnswer(f"did not answer within {seconds:.0f} s", time.monotonic() - began) from None


async def _first_reached(client: httpx2.AsyncClient, request: Request, to: Checked, began: float) -> Answer:
    """The first address that can be connected to is the one that is called: nothing was sent to those before."""
    *others, last = to.addresses
    for address in others:
        try:
            return await _call(client, request, (to, address), began)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            continue
        except httpx2.HTTPError as error:
            raise NoAnswer(_why(error), time.monotonic() - began) from None
    try:
        return await _call(client, request, (to, last), began)
    except httpx2.HTTPError as error:
        raise NoAnswer(_why(error), time.monotonic() - began) from None


async def _call(client: httpx2.AsyncClient, request: Request, place: tuple[Checked, str], began: float) -> Answer:
    to, address = place
    outgoing = client.build_request(
        "POST",
        httpx2.URL(request.url).copy_with(host=address),
        content=request.body,
        headers={"Host": to.target.authority, "Accept-Encoding": "identity", "Connection": "close", **request.headers},
        extensions={"sni_hostname": to.target.host},
    )
    if len(to.addresses) > 1:
        outgoing.extensions["timeout"] = {**outgoing.extensions["timeout"], "connect": CONNECT_SECONDS}
    answer = await client.send(outgoing, stream=True)
    try:
        body = await _beginning(answer)
    finally:
        await answer.aclose()
    wait = asked_for(answer.headers.get("Retry-After"), datetime.now(UTC))
    return Answer(answer.status_code, time.monotonic() - began, body, wait)


async def _beginning(answer: httpx2.Response) -> str:
    """The first KiB as text. A body that breaks off tells what came: the status has been said already."""
    found = b""
    try:
        async for chunk in answer.aiter_raw():
            found += chunk
            if len(found) >= BODY_BYTES:
                break
    except httpx2.HTTPError:
        pass
    return found[:BODY_BYTES].decode(errors="replace").replace("\x00", "")


def _why(error: httpx2.HTTPError) -> str:
    """The kind of failure in words; the library's own may hold the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted: {cause.verify_message}"[:300]
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpx2.ConnectError):
        return "could not be connected to"
    return f"broke off ({type(error).__name__})"

"""Where alerts go. An HTTP sink is given ten seconds, verified by TLS, never followed elsewhere, and not read.

What went wrong is said without the URL's path and without the key: both may be secrets.
"""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol, Self

import aiohttp

from forge_core import logs
from forge_core.history.outbox import Event
from forge_core.retry_after import asked_for
from forge_operator.outbox.destination import Destination
from forge_operator.outbox.formats import datadog, tags_of, text_of, title_of, webhook

ANSWER_SECONDS: Final = 10.0
OF_ONE_ALERT: Final = frozenset({400, 409, 410, 411, 413, 414, 415, 422, 431})
"""Statuses that say something of what was sent. All others (no right, no such place, too often, broken) are the
sink's own, and hold for every alert."""

_log = logs.get_logger(__name__)


class NotSent(Exception):
    """The sink didn't take an alert. `wait`: seconds that it asked for; `only_this`: others may fare better."""

    def __init__(self, why: str, wait: float = 0.0, *, only_this: bool = False) -> None:
        super().__init__(why)
        self.wait = wait
        self.only_this = only_this


class AlertSink(Protocol):
    """Takes alerts."""

    async def send(self, alert: Event) -> None:
        """Raises NotSent."""


class LogSink:
    """Alerts as lines of the operator's log."""

    async def send(self, alert: Event) -> None:
        """Never fails."""
        body = alert.body
        _log.warning("alert", id=body["id"], title=title_of(body), text=text_of(body), tags=tags_of(body))


Format = Callable[[dict[str, Any]], dict[str, Any]]


class HttpSink:
    """One POST an alert; any 2xx takes it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], form: Format) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._form = form

    @classmethod
    @asynccontextmanager
    async def connect(cls, to: Destination, seconds: float = ANSWER_SECONDS) -> AsyncIterator[Self]:
        """Prepare; nothing is sent before the first alert. Raises OSError when the CA file can't be read."""
        trust = ssl.create_default_context(cafile=to.ca_file or None)
        timeout = aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)
        connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            key, headers = to.key, {"User-Agent": "forge-jobs"}
            if to.sink == "datadog":
                yield cls(session, to.address, {**headers, "DD-API-KEY": key}, _as_datadog)
            else:
                authorization = {"Authorization": f"Bearer {key}"} if key else {}
                yield cls(session, to.address, {**headers, **authorization}, webhook)

    async def send(self, alert: Event) -> None:
        """Raises NotSent."""
        body = json.dumps(self._form(alert.body)).encode()
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": str(alert.id)}
        try:
            answer = await self._session.post(self._url, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotSent(_why(error)) from None
        status, asked = answer.status, answer.headers.get("Retry-After")
        answer.close()  # whatever else it says isn't read
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise NotSent(f"answered {status}: redirects are not followed, correct alerts.url")
        raise NotSent(f"answered {status}", asked_for(asked, datetime.now(UTC)), only_this=status in OF_ONE_ALERT)


@asynccontextmanager
async def sink_of(to: Destination) -> AsyncIterator[AlertSink]:
    """The sink that the installation chose."""
    if to.sink == "log":
        yield LogSink()
        return
    async with HttpSink.connect(to) as sink:
        yield sink


def _as_datadog(body: dict[str, Any]) -> dict[str, Any]:
    return datadog(body, datetime.now(UTC))


def _why(error: Exception) -> str:
    """The kind of failure and the system's own words; an aiohttp error's text may hold the whole URL."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"[:300]
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"can't be reached: {error.os_error.strerror or type(error.os_error).__name__}"[:300]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"broke off: {type(error).__name__}"

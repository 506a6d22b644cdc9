"""What a webhook endpoint is, to the API that keeps it and to the runner that calls it.

Signatures, headers and secrets are those of Standard Webhooks (https://www.standardwebhooks.com), version 1.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

WEBHOOKS: Final = "webhooks"
"""The queue of deliveries, and the kind of work that it is."""
MAX_URL: Final = 2048
MAX_PAYLOAD: Final = 12 * 1024
"""Characters of one message."""
MESSAGE_ID: Final = r"^[A-Za-z0-9_-]{1,128}$"
"""Without dots, which part what is signed."""
EVENT_PATTERN: Final = r"^(\*|[a-z0-9][a-z0-9-]*\.(\*|[a-z0-9][a-z0-9-]*))$"
"""What an event filter says: `analysis.completed`, `analysis.*` or `*`."""
PING: Final = "ping"
"""The event of a test."""


class SecretKey(StrEnum):
    """The files of an endpoint's Secret."""

    URL = "url"
    """Here and not in a job: a manifest can't send what one endpoint's secret signs to another place."""
    SECRET = "secret"  # noqa: S105 - a key's name
    """`whsec_` and base64."""
    PREVIOUS = "previous"
    """The secret before the last rotation; signs too, until PREVIOUS_UNTIL."""
    PREVIOUS_UNTIL = "previous-until"
    """RFC 3339."""


class BadUrl(ValueError):
    """An URL that no delivery is made to; the message says what to write instead."""


@dataclass(frozen=True)
class Target:
    """A URL's parts; `host` in lower case and without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


PORTS: Final = {"https": 443, "http": 80}
_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What a resolver may take for an IPv4 address: its last label is a number (WHATWG URL, 3.5)."""


def target_of(url: str) -> Target:
    """Where an endpoint's URL leads, by its text alone. Raises BadUrl."""
    if len(url) > MAX_URL:
        raise BadUrl(f"the URL is longer than {MAX_URL} characters")
    if not url.isascii():
        raise BadUrl("the URL has characters beyond ASCII: write its host as xn--..., and the rest percent-encoded")
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise BadUrl("the URL has spaces, backslashes or control characters: percent-encode them")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        raise BadUrl("the URL can't be read: write it as https://example.com/path") from None
    if scheme not in PORTS:
        raise BadUrl("the URL must begin with https:// (or http://)")
    if "@" in parts.netloc:
        raise BadUrl("the URL carries a user name or password: receivers know us by the signature instead")
    if parts.fragment or url.endswith("#"):
        raise BadUrl("the URL has a fragment: leave out what follows #")
    if not _is_host(host):
        raise BadUrl("the URL needs a host: a name, or an address in its usual form such as 203.0.113.7")
    if port == 0:
        raise BadUrl("the URL's port can't be 0")
    return Target(scheme, host, port or PORTS[scheme])


def _is_host(host: str) -> bool:
    """A name, or an address written as everybody writes it: no octal, no hexadecimal, no missing parts."""
    if ":" in host or _NUMERIC.fullmatch(host):
        try:
            return "%" not in host and bool(ipaddress.ip_address(host))
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None


def listens(filters: tuple[str, ...], event: str) -> bool:
    """Whether an endpoint with these filters is told of an event; none at all are all."""
    return not filters or any(
        each in {"*", event} or (each.endswith(".*") and event.startswith(each[:-1])) for each in filters
    )

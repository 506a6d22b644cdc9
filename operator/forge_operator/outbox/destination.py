"""Where an installation's alerts go, checked before the operator begins."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

DATADOG_URL: Final = "https://api.datadoghq.com/api/v1/events"

Kind = Literal["log", "datadog", "webhook"]


class BadDestination(ValueError):
    """A setting (`variable`) that can't be; the message says what to do and repeats no value."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(why)
        self.variable = variable


@dataclass(frozen=True)
class Destination:
    """Where alerts go and how. Raises BadDestination when that can't be."""

    sink: Kind
    allow_http: bool
    url: SecretStr
    api_key: SecretStr
    ca_file: str

    def __post_init__(self) -> None:
        """Check it as a whole; no message repeats a value."""
        if self.sink == "log":
            return
        if self.sink == "datadog" and not self.key:
            raise BadDestination("FORGE_ALERTS_API_KEY", "Datadog needs an API key")
        if not (self.key.isascii() and self.key.isprintable()):
            raise BadDestination("FORGE_ALERTS_API_KEY", "must be one line of ASCII")
        if not self.address:
            raise BadDestination("FORGE_ALERTS_URL", "a webhook needs a URL")
        fault = _fault_of(self.address, self.allow_http)
        if fault:
            raise BadDestination("FORGE_ALERTS_URL", fault)

    @property
    def key(self) -> str:
        """The key, without the line's end that a Secret made from a file may have."""
        return self.api_key.get_secret_value().strip()

    @property
    def address(self) -> str:
        """The URL; Datadog's own when none was given for it."""
        return self.url.get_secret_value().strip() or (DATADOG_URL if self.sink == "datadog" else "")


def _fault_of(url: str, allow_http: bool) -> str:
    if not url.isprintable() or any(sign.isspace() or sign == "\\" for sign in url):
        return "must hold no spaces, control characters or backslashes"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it raises when it is no port
    except ValueError:
        return "is no URL: write it as https://host/path"
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "must begin with https:// and name a host"
    if parts.scheme == "http" and not allow_http:
        return "must begin with https://, or set FORGE_ALERTS_ALLOW_HTTP (alerts.allowHttp) to send in the clear"
    if "@" in parts.netloc or "#" in url:
        return "must hold no user, no password and no #: give the key in FORGE_ALERTS_API_KEY"
    return ""

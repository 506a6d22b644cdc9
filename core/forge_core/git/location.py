"""What a repository URL may say: `https://host/path`, or `http://` to a host that the chart allows. Nothing else."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from forge_core.address import Resolve, checked, resolve
from forge_core.failures import Permanent

_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
_REF_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|^[-/+.]|[/.]$|/\.|^@$")
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Location:
    """A checked URL; `addresses` are the only ones git may connect to (empty: a host that the chart allows)."""

    url: str
    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...] = ()

    @property
    def pin(self) -> str:
        """The value of git's `http.curloptResolve`, "" when nothing is pinned."""
        if not self.addresses:
            return ""
        numbers = ",".join(f"[{address}]" if ":" in address else address for address in self.addresses)
        return f"{self.host}:{self.port}:{numbers}"


def locate(
    url: str, allowed_hosts: Collection[str], resolver: Resolve = resolve, *, allow_file: bool = False
) -> Location:
    """Check a URL. Raises Permanent with what to write instead, Transient when its host can't be resolved."""
    if not url.isascii() or not url.isprintable() or re.search(r"[\s\\]", url):
        raise Permanent("The repository's URL has characters that a URL can't have; percent-encode them.")
    if "::" in url.partition("/")[0] or url.startswith("-"):
        raise Permanent("The repository's URL names a git transport helper; write it as https://host/path.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Permanent("The repository's URL can't be read; write it as https://host/path.") from None
    scheme = parts.scheme.lower()
    if scheme == "file" and allow_file:
        return Location(url, scheme, "", 0)
    if scheme not in _PORTS:
        raise Permanent(f"The repository's URL must begin with https://, not {scheme + '://' if scheme else 'a path'}.")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Permanent(
            "The repository's URL carries a user name or password; put them in a Secret (credentialsSecretRef)."
        )
    if parts.query or parts.fragment:
        raise Permanent("The repository's URL has a query or fragment; leave out what follows ? or #.")
    if not _HOST.fullmatch(host) or not parts.path.strip("/"):
        raise Permanent("The repository's URL needs a host and a path: https://host/path.")
    return _placed(url, scheme, (host, port or _PORTS[scheme]), _allowed(host, allowed_hosts), resolver)


def _allowed(host: str, allowed_hosts: Collection[str]) -> bool:
    return host in {allowed.lower().rstrip(".").strip("[]") for allowed in allowed_hosts}


def _placed(url: str, scheme: str, place: tuple[str, int], allowed: bool, resolver: Resolve) -> Location:
    host, port = place
    if scheme == "http" and not allowed:
        raise Permanent(
            "The repository's URL must begin with https://; "
            f"http:// is for hosts that the chart allows, and {host} is not one."
        )
    return Location(url, scheme, host, port, () if allowed else checked(host, port, resolver))


def check_ref(ref: str) -> str:
    """`ref` itself (`HEAD` for none) when git could have such a branch, tag or commit. Raises Permanent."""
    if not ref:
        return "HEAD"
    if len(ref) > 255 or not ref.isprintable() or _REF_FORBIDDEN.search(ref):
        raise Permanent("The ref is not one that git can have; name a branch, a tag or a whole commit id.")
    return ref

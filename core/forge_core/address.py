"""Which addresses a tenant's URL may lead to: public ones, and those of the hosts that the chart allows.

A name is resolved once, and whoever connects does so to exactly the addresses checked here, so that a name which
answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

from forge_core.failures import Permanent, Transient

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], tuple[str, ...]]

# Local-use NAT64 (RFC 8215), site-local (RFC 3879) and IPv4-compatible addresses (RFC 4291, 2.5.5.1) lead inside,
# though Python calls them global.
_INSIDE: Final = tuple(ipaddress.IPv6Network(network) for network in ("64:ff9b:1::/48", "fec0::/10", "::/96"))
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_KNOWN: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def resolve(host: str, port: int) -> tuple[str, ...]:
    """All addresses of a host, in the resolver's order. Raises Transient when it has none or nobody answers.

    A name that isn't there is transient too: a resolver in a starting pod says the same of names that are.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        code = error.args[0] if isinstance(error, socket.gaierror) else socket.EAI_NONAME
        why = "the name is not known" if code in _NOT_KNOWN else "the name service did not answer"
        raise Transient(f"The host {host} could not be found: {why}.") from None
    return tuple(dict.fromkeys(str(row[4][0]) for row in found))


def found(host: str, port: int, resolver: Resolve = resolve) -> tuple[str, ...]:
    """What a resolver says, at least one address. Raises Transient when there is none."""
    addresses = resolver(host, port)
    if not addresses:
        raise Transient(f"The host {host} could not be found: it has no address.")
    return addresses


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4, Teredo), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return address


def is_public(text: str) -> bool:
    """Whether an address is one of the open internet, whichever way it is written."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if any(address in network for network in _INSIDE):
        return False
    return all(
        part.is_global and not part.is_multicast for part in (address, _embedded(address)) if not _is_carrier(part)
    )


def _is_carrier(address: Address) -> bool:
    """Whether only the embedded address says where a packet goes (Python calls a mapped one not global)."""
    return isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64)


def checked(
    host: str, port: int, resolver: Resolve = resolve, *, what: str = "repository", value: str = "allowedHosts"
) -> tuple[str, ...]:
    """The addresses of a public host. Raises Permanent when any one isn't public, Transient when it has none.

    The sentences name `what` the host is of, and the chart's `value` that allows one.
    """
    addresses = found(host, port, resolver)
    for address in addresses:
        if not is_public(address):
            raise Permanent(
                f"The {what}'s host {host} leads to {address}, which is not a public address; "
                f"use a public host, or have an administrator allow this one (the chart's value {value})."
            )
    return addresses

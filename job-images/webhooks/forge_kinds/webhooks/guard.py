"""Where a delivery may go: hosts all of whose addresses are public, ports 80 and 443, and what the chart allows.

The chart's `webhooks.allowedHosts` names a host (any address, the two ports) or `host:port` (any address, that port).
The name is resolved here, once; the call is made to the addresses that came out, whatever the name says by then.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from forge_core.address import Resolve, checked, found, resolve
from forge_core.webhooks import PORTS, BadUrl, Target, target_of
from forge_runner.report import Permanent

VALUE: Final = "webhooks.allowedHosts"


@dataclass(frozen=True)
class Checked:
    """A target and the only addresses to connect to, in the resolver's order; at least one."""

    target: Target
    addresses: tuple[str, ...]


def guarded(url: str, allowed: Collection[str], resolver: Resolve = resolve) -> Checked:
    """Check where a URL leads. Raises Permanent when it may not be called, Transient when it can't be resolved."""
    try:
        target = target_of(url)
    except BadUrl as error:
        raise Permanent(f"The endpoint can't be called: {error}.") from None
    hosts = {each.strip().lower() for each in allowed}
    with_port = f"{target.host}:{target.port}" if ":" not in target.host else f"[{target.host}]:{target.port}"
    named = with_port in hosts
    if target.port not in PORTS.values() and not named:
        raise Permanent(
            f"The endpoint's port {target.port} is not called: use port 443 or 80, or have an administrator allow "
            f"{with_port} (the chart's value {VALUE})."
        )
    if named or {target.host, f"[{target.host}]"} & hosts:
        return Checked(target, found(target.host, target.port, resolver))
    return Checked(target, checked(target.host, target.port, resolver, what="endpoint", value=VALUE))

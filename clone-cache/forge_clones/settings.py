"""What the clone cache is told by its environment (prefix FORGE_). Sizes are bytes, times seconds."""

from pathlib import Path
from typing import Final

from pydantic import Field

from forge_clones.eviction import Rule
from forge_core.git.limits import Limits
from forge_core.program import ProgramSettings
from forge_core.resource import Bytes, Seconds

GIB: Final = 1024**3


class Settings(ProgramSettings):
    """Each field is the variable FORGE_<FIELD>."""

    clones_path: Path = Path("/clones")
    """The volume. It is this program's alone."""
    host: str = "0.0.0.0"
    port: int = 8082
    allowed_hosts: str = ""
    """Hosts, comma separated, that repositories may be on although their address is not public."""
    system_namespace: str = ""
    """The system tenant's: only from there clean-ups are taken; empty: from nowhere."""
    max_size: Bytes = 20 * GIB
    """Of all mirrors."""
    mirror_size: Bytes = 4 * GIB
    """Of one, packed."""
    unused_for: Seconds = 7 * 24 * 3600.0
    patience: float = Field(default=20.0, gt=0, le=60)
    """How long a runner waits for its mirror. The fetch goes on without it, for the next one."""
    grant_seconds: float = Field(default=120.0, ge=0, le=3600)
    """How long after its mirror was brought up to date a pod may begin to fetch."""
    fetch_seconds: float = Field(default=1800.0, gt=0)
    """Of one fetch from a repository's host."""
    fetches_at_once: int = Field(default=4, ge=1, le=64)
    reads_at_once: int = Field(default=16, ge=1, le=256)

    @property
    def hosts(self) -> tuple[str, ...]:
        """`allowed_hosts`, split."""
        return tuple(host.strip() for host in self.allowed_hosts.split(",") if host.strip())

    @property
    def rule(self) -> Rule:
        """What may stay."""
        return Rule(self.unused_for, self.max_size)

    @property
    def limits(self) -> Limits:
        """Of one mirror's fetch."""
        return Limits(packed_bytes=self.mirror_size, seconds=self.fetch_seconds)

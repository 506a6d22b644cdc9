"""What the API is told by its environment (prefix FORGE_)."""

from typing import Annotated

from pydantic import Field, SecretStr

from forge_core.program import ProgramSettings
from forge_core.resource import Seconds


class Settings(ProgramSettings):
    """Each field is the variable FORGE_<FIELD>."""

    database_url: SecretStr
    redis_url: str
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    jwt_issuer: str = "forge-jobs"
    jwt_audience: str = "forge-jobs"
    jwt_keys: str
    """A folder of PEM public keys or certificates (the file's name is the kid), a JWKS file, or a JWKS URL."""
    operator_url: str = ""
    """Base URL of the operator's port; empty: it is not asked, and explanations tell what was last written."""
    operator_token: SecretStr = SecretStr("")
    host: str = "0.0.0.0"
    public_port: int = 8080
    internal_port: int = 8081
    listeners_per_tenant: int = Field(default=200, ge=1)
    """Open progress sockets, event streams and followed logs of one tenant, in this replica."""
    system_namespace: str = ""
    """The system tenant's: only from there maintenance is taken; empty: from nowhere."""
    history_retention: Annotated[Seconds, Field(ge=240 * 3600)] = 2160 * 3600.0
    """How long a job's row stays after its end (at least ten days, so that late ends reach the usage of their hour)."""
    artifact_retention: Annotated[Seconds, Field(ge=3600)] = 720 * 3600.0
    """How long its artefacts and logs stay."""
    redrives_per_second: float = Field(default=10.0, ge=0.1, le=50)
    """Jobs of a redriven group that are sent to the cluster in a second, a tenant's groups together."""
    drain_seconds: float = Field(default=3.0, ge=0)
    """Between SIGTERM and the end of listening: the time that the cluster takes to stop sending requests here."""

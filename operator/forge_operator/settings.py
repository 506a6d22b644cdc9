"""The operator's settings, read once from the environment (prefix FORGE_)."""

from pydantic import Field, SecretStr

from forge_core.program import ProgramSettings
from forge_core.progress import EVENTS_LENGTH
from forge_operator.known import WRITES_AT_ONCE
from forge_operator.outbox.destination import Destination, Kind


class Settings(ProgramSettings):
    """Each field is the environment variable of the same name: `database_url` is FORGE_DATABASE_URL."""

    database_url: str
    redis_url: str
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    managed_redis: bool = False
    """A Redis whose users somebody else keeps: the operator sets none."""
    api_url: str
    """Base URL of the API's internal port; runners are given it, and nothing is admitted while it doesn't answer."""
    clones_url: str = ""
    """Base URL of the clone cache; runners of repositories and clean-ups are given it. Empty: there is none."""
    namespace: str = "forge-jobs"
    """Where the operator's Lease is."""
    pod_name: str = "forge-operator"
    pod_uid: str = ""
    allowed_hosts: str = ""
    """Hosts, comma separated, that repositories may be on although their address is not public."""
    webhooks_allowed_hosts: str = ""
    """The same for webhook deliveries; host:port allows a port besides 80 and 443."""
    installation: str = ""
    """Serve only namespaces whose label forge-factory.dev/installation says this; empty: those without the label."""
    tenant_max_running: int | None = Field(default=None, ge=0)
    """Jobs that a tenant may have running at once, over all queues, unless its namespace says otherwise."""
    kubeconfig: str | None = None
    """Outside of a cluster: a kubeconfig; KUBECONFIG is heeded too."""
    port: int = 8080
    """Of /metrics, /healthz, /readyz, and of what the API asks."""
    operator_token: SecretStr = SecretStr("")
    """What the API shows when it asks for an explanation; empty: nobody may ask."""
    relist_seconds: float = Field(default=120.0, ge=1, le=3600)
    """Between two complete lists of everything, which repair what the watches missed."""
    writes_at_once: int = Field(default=WRITES_AT_ONCE, ge=1, le=500)
    """Requests to the API server at once, and jobs of a queue that one decision starts."""

    events_length: int = Field(default=EVENTS_LENGTH, ge=100, le=10_000_000)
    """CloudEvents kept in each tenant's Redis stream, approximately."""

    alerts_sink: Kind = "log"
    alerts_allow_http: bool = False
    """Let alerts go over plain HTTP."""
    alerts_url: SecretStr = SecretStr("")
    """A receiver's URL may be all that guards it, so it is as secret as the key."""
    alerts_api_key: SecretStr = SecretStr("")
    alerts_ca_file: str = ""
    """PEM certificates to trust instead of the system's."""

    @property
    def alerts(self) -> Destination:
        """Where alerts go. Raises BadDestination."""
        return Destination(
            sink=self.alerts_sink,
            allow_http=self.alerts_allow_http,
            url=self.alerts_url,
            api_key=self.alerts_api_key,
            ca_file=self.alerts_ca_file,
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """`allowed_hosts`, split."""
        return _split(self.allowed_hosts)

    @property
    def webhook_hosts(self) -> tuple[str, ...]:
        """`webhooks_allowed_hosts`, split."""
        return _split(self.webhooks_allowed_hosts)

    @property
    def identity(self) -> str:
        """Who holds the Lease: unique among pods, also among those of one name."""
        return f"{self.pod_name}_{self.pod_uid}" if self.pod_uid else self.pod_name


def _split(hosts: str) -> tuple[str, ...]:
    return tuple(host.strip() for host in hosts.split(",") if host.strip())

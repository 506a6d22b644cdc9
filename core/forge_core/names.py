"""Every label, key, environment variable, stream and path that two programs share is spelled here, once.

Names derived from other names are deterministic: whoever derives one twice gets the same one, so a second create
is harmless.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

# --- the API group -----------------------------------------------------------------------------------------------
GROUP: Final = "forge-factory.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
ANALYSIS_JOBS: Final = "analysisjobs"
ANALYSIS_JOB_KIND: Final = "AnalysisJob"
JOB_QUEUES: Final = "jobqueues"
JOB_QUEUE_KIND: Final = "JobQueue"

# --- labels and annotations --------------------------------------------------------------------------------------
TENANT_LABEL: Final = f"{GROUP}/tenant"
"""On a namespace: the tenant that owns it. On Jobs and pods: the tenant they work for."""
INSTALLATION_LABEL: Final = f"{GROUP}/installation"
"""On a tenant's namespace: which of several operators of one cluster serves it; without it the one without a name."""
WEIGHT_ANNOTATION: Final = f"{GROUP}/weight"
"""On a tenant's namespace: its weight in the fair share of a queue, a whole number from 1 to 1000; 1 when left out."""
MAX_RUNNING_ANNOTATION: Final = f"{GROUP}/max-running"
"""On a tenant's namespace: how many of the tenant's jobs may run at once, over all queues, a whole number."""
QUEUE_LABEL: Final = f"{GROUP}/queue"
JOB_LABEL: Final = f"{GROUP}/analysisjob"
"""On Jobs and pods: the AnalysisJob's name, cut to a label's 63 characters."""
JOB_UID_LABEL: Final = f"{GROUP}/analysisjob-uid"
"""On Jobs and pods: the AnalysisJob's UID. Selecting on its presence selects all that is ours."""
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
RUNNER_COMPONENT: Final = "runner"
ANALYSIS_ID_ANNOTATION: Final = f"{GROUP}/analysis-id"
"""On an AnalysisJob that the API submitted: the id of its history row (also its name)."""
ATTEMPTS_ANNOTATION: Final = f"{GROUP}/attempts"
"""On a Job: the whole budget of attempts, first ones included (a whole number)."""
APPLIED_ANNOTATION: Final = f"{GROUP}/applied"
"""On a definition: a digest of the files that the chart's hook applied, and the generation that it then had."""
RUNNER_CONTAINER: Final = "runner"
SANDBOX_CONTAINER: Final = "sandbox"
STALLED_CONDITION: Final = f"{GROUP}/Stalled"
"""On a runner pod: it gave no sign of life for too long, and the operator ends it."""

SYSTEM_LABEL: Final = f"{GROUP}/system"
"""On the system tenant's namespace, "true": clean-up queues serve no other."""
SCHEDULE_LABEL: Final = f"{GROUP}/schedule"
"""On an AnalysisJob that a CronJob submitted: which schedule it is of."""

# --- fixed object names ------------------------------------------------------------------------------------------
FIELD_MANAGER: Final = "forge-jobs"
RUNNER_SERVICE_ACCOUNT: Final = "forge-runner"
"""In each tenant namespace; it has no rights on the Kubernetes API."""
REDIS_SECRET: Final = "forge-redis"  # noqa: S105 - the name of a Secret, not its content
"""In each tenant namespace; keys `username` and `password`, the tenant's own Redis user."""
LEASE: Final = "forge-operator"

EXPLAIN_PATH: Final = "/explain/"
"""On the operator's port, followed by an AnalysisJob's UID: for the API alone."""

# --- what a runner pod is given ----------------------------------------------------------------------------------
ASSIGNMENT_ENV: Final = "FORGE_ASSIGNMENT"
API_URL_ENV: Final = "FORGE_API_URL"
"""Base URL of the API's internal port, `http://forge-api-internal.<namespace>.svc:8081`."""
REDIS_URL_ENV: Final = "FORGE_REDIS_URL"
"""`redis://host:port` without credentials; `redis+cluster://` for a Redis Cluster."""
REDIS_USERNAME_ENV: Final = "FORGE_REDIS_USERNAME"
REDIS_PASSWORD_ENV: Final = "FORGE_REDIS_PASSWORD"  # noqa: S105 - the name of a variable
DATABASE_URL_ENV: Final = "FORGE_DATABASE_URL"
POD_NAME_ENV: Final = "FORGE_POD_NAME"
POD_UID_ENV: Final = "FORGE_POD_UID"
TOKEN_AUDIENCE: Final = "forge-api"  # noqa: S105 - an audience, not a token
TOKEN_PATH: Final = "/var/run/secrets/forge-api/token"  # noqa: S105 - a path
TOKEN_PATH_ENV: Final = "FORGE_TOKEN_PATH"  # noqa: S105 - the name of a variable
"""Where the token is, when it isn't at TOKEN_PATH."""
CLONES_URL_ENV: Final = "FORGE_CLONES_URL"
"""Base URL of the clone cache, `http://forge-clones.<namespace>.svc:8082`; not set: every clone is a direct one."""
CLONES_AUDIENCE: Final = "forge-clones"
"""Of the token for the clone cache: the API takes none that was shown there, nor the other way round."""
CLONES_TOKEN_PATH: Final = "/var/run/secrets/forge-api/clones-token"  # noqa: S105 - a path
CLONES_TOKEN_PATH_ENV: Final = "FORGE_CLONES_TOKEN_PATH"  # noqa: S105 - the name of a variable
"""Where it is, when it isn't at CLONES_TOKEN_PATH."""
BASELINE_PATH_ENV: Final = "FORGE_BASELINE_PATH"
"""Where a kind finds what was fetched of the analysis that its job is compared with."""
CACHE_PATH_ENV: Final = "FORGE_CACHE_PATH"
"""Where a kind finds what an earlier job of its repository kept for it, if there was anything."""
CREDENTIALS_PATH: Final = "/var/run/secrets/repository"
"""Where `spec.repository.credentialsSecretRef` is mounted: files `host`, `username`, `password` or `token`."""
SECRET_PATH: Final = "/var/run/secrets/job"  # noqa: S105 - a path
"""Where `spec.secretRef` is mounted: a file for each of its keys."""
SECRET_PATH_ENV: Final = "FORGE_SECRET_PATH"  # noqa: S105 - the name of a variable
"""Where it is, when it isn't at SECRET_PATH."""
JOB_SECRET_PREFIX: Final = "forge-job-"  # noqa: S105 - of a name
"""What the name of a Secret begins with that may be handed to a job: no job names another, such as REDIS_SECRET."""
WORK_PATH: Final = "/work"
"""An emptyDir; the only writable place of a runner besides /tmp."""
SANDBOX_PATH: Final = "/sandbox"
SANDBOX_PATH_ENV: Final = "FORGE_SANDBOX_PATH"
"""In pods with a sandbox: the volume that it shares with the runner, and its only writable place."""
TERMINATION_PATH: Final = "/dev/termination-log"

# --- Redis: every key carries {tenant} as hash tag, so that one tenant's keys share a slot ------------------------


def progress_stream(tenant: str) -> str:
    """The stream of a tenant's progress messages (XADD, approximate MAXLEN)."""
    return f"forge:{{{tenant}}}:progress"


def events_stream(tenant: str) -> str:
    """The stream of a tenant's CloudEvents (XADD, approximate MAXLEN); the operator writes it, the tenant reads it."""
    return f"forge:{{{tenant}}}:events"


def job_hash(tenant: str, uid: str) -> str:
    """The hash with a job's last progress and heartbeat; `uid` is the AnalysisJob's UID."""
    return f"forge:{{{tenant}}}:job:{uid}"


def log_stream(tenant: str, uid: str) -> str:
    """The capped stream with the tail of a job's log."""
    return f"forge:{{{tenant}}}:log:{uid}"


def redis_user(tenant: str) -> str:
    """The Redis user that a tenant's pods hold."""
    return f"tenant-{tenant}"


def tenant_of_user(user: str) -> str:
    """The tenant whose Redis user that is, "" for nobody's."""
    return user.removeprefix("tenant-") if user.startswith("tenant-") else ""


@dataclass(frozen=True)
class RedisKey:
    """A key of ours: whose it is, and whether it is one job's (`job`, `log`) or the tenant's (`progress`, `events`)."""

    name: str
    tenant: str
    part: str

    @property
    def of_a_job(self) -> bool:
        """Whether it goes by itself some time after its job's last word."""
        return self.part in {"job", "log"}


def redis_key(name: str) -> RedisKey | None:
    """What a key's name says, None when it is none of ours."""
    found = _REDIS_KEY.fullmatch(name)
    return RedisKey(name, found["tenant"], found["part"] or found["stream"]) if found else None


_REDIS_KEY: Final = re.compile(r"forge:\{(?P<tenant>[^{}]+)\}:((?P<stream>progress|events)|(?P<part>job|log):.+)")
ALL_KEYS: Final = "forge:{*"
"""The pattern of all keys of ours, for SCAN."""


def reported_keys(tenant: str) -> tuple[str, ...]:
    """The ACL patterns of the keys that a tenant's pods may write: what runners report, and no events."""
    return progress_stream(tenant), job_hash(tenant, "*"), log_stream(tenant, "*")


def webhook_secret(endpoint: object) -> str:
    """The Secret of a webhook endpoint, by its id, in the tenant's namespace."""
    return f"{JOB_SECRET_PREFIX}webhook-{endpoint}"


# --- derived names -----------------------------------------------------------------------------------------------
MAX_NAME: Final = 63


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def cut(name: str) -> str:
    """`name` itself when it fits a label or DNS label (63 characters), else its beginning and a hash of the whole."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 9].rstrip('-.')}-{_digest(name)}"


def child_job_name(name: str, uid: str) -> str:
    """The name of the `batch/v1` Job of the AnalysisJob `name` with `uid`.

    The UID takes part, so that a job deleted and applied again under the same name never meets its predecessor's Job.
    Job and pod names must be DNS labels for the pod's host name, hence no dots.
    """
    stem = name.replace(".", "-")[: MAX_NAME - 9].rstrip("-")
    return f"{stem}-{_digest(f'{name}/{uid}')}"

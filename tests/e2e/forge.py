"""What an end-to-end test does with an installed Forge Jobs: submit, wait, look, ask the API."""

import atexit
import base64
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import httpx2
import jwt

from forge_core.cluster import analysis_jobs, core, job_queues, jobs
from forge_core.names import API_VERSION
from forge_core.phase import Phase
from tests.conftest import LOCAL, Kubectl
from tests.e2e.psql import Psql
from tests.services.waiting import wait_until

GIT_HOST: Final = "git-server.git.svc"
TENANT: Final = "demo"
TENANT_NAMESPACE: Final = "tenant-demo"
RELEASE_NAMESPACE: Final = "forge-jobs"
JOB_SECONDS: Final = 120


@dataclass(frozen=True)
class Forge:
    """A release: its API's address, the key that signs its tokens, and the namespaces of it and of a tenant."""

    kubectl: Kubectl
    url: str
    key: str = field(repr=False)
    namespace: str = RELEASE_NAMESPACE
    tenant_namespace: str = TENANT_NAMESPACE
    tenant: str = TENANT

    def token(self, tenant: str = "", user: str = "tester", seconds: int = 3600) -> str:
        """A token as `make token` prints it."""
        now = int(time.time())
        claims = {
            "iss": "forge-jobs",
            "aud": "forge-jobs",
            "sub": user,
            "tenant": tenant or self.tenant,
            "iat": now,
            "exp": now + seconds,
        }
        algorithm = "ES256" if "EC PRIVATE" in self.key else "RS256"
        return jwt.encode(claims, self.key, algorithm=algorithm, headers={"kid": "local"})

    def api(self, tenant: str = "") -> httpx2.Client:
        """A client of the REST API as a user of `tenant`, left out: of its own tenant."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token(tenant)}"}, timeout=30)

    def job(self, name: str) -> dict[str, Any] | None:
        """The AnalysisJob as it is now, None when there is none."""
        found: dict[str, Any] | None = self.kubectl.server.read(analysis_jobs(self.tenant_namespace, name))
        return found

    def phase(self, name: str) -> str:
        """Its phase, "" when it isn't there."""
        job = self.job(name) or {}
        return str(job.get("status", {}).get("phase", ""))

    def message(self, name: str) -> str:
        """Why it waits or how it fares, "" before the operator has said so."""
        job = self.job(name) or {}
        return str(job.get("status", {}).get("message", ""))

    def progress(self, name: str) -> int:
        """Its percentage, 0 before the first one."""
        job = self.job(name) or {}
        return int(job.get("status", {}).get("progress", 0))

    def wait_for(self, name: str, *phases: Phase, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """The AnalysisJob once its phase is one of `phases`; fails at once when another terminal one is reached."""

        def reached() -> dict[str, Any] | None:
            job = self.job(name) or {}
            phase = job.get("status", {}).get("phase")
            if phase in phases:
                return job
            assert not (phase and Phase(phase).terminal), f"{name} ended as {phase}: {job['status'].get('message')}"
            return None

        try:
            return wait_until(reached, seconds, f"{name} is {' or '.join(phases)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its status says {(self.job(name) or {}).get('status')}") from None

    def batch_jobs(self, name: str) -> list[dict[str, Any]]:
        """The batch/v1 Jobs that belong to an AnalysisJob, by its name's label."""
        return self._of(jobs(self.tenant_namespace), name)

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of an AnalysisJob."""
        return self._of(core("pods", self.tenant_namespace), name)

    def _of(self, path: str, name: str) -> list[dict[str, Any]]:
        return self.kubectl.server.items(path, labelSelector=f"forge-factory.dev/analysisjob={name}")

    def running_pod(self, name: str, seconds: float = 60) -> dict[str, Any]:
        """The pod of an AnalysisJob once it runs."""

        def running() -> dict[str, Any] | None:
            alive = [pod for pod in self.pods(name) if not pod["metadata"].get("deletionTimestamp")]
            return next((pod for pod in alive if pod["status"].get("phase") == "Running"), None)

        return wait_until(running, seconds, f"{name} has a running pod")

    def sql(self, statement: str) -> list[list[str]]:
        """Rows of a query on the embedded PostgreSQL."""
        return _psql(self.kubectl, self.namespace).rows(statement)


@cache
def _psql(kubectl: Kubectl, namespace: str) -> Psql:
    made = Psql(kubectl, namespace)
    atexit.register(made.close)
    return made


def installed(kubectl: Kubectl, url: str, *, release: str = RELEASE_NAMESPACE, tenant: str = TENANT) -> Forge:
    """An installation whose programs are ready, asked at `url` with tokens of its own key."""
    for program in ("operator", "api"):
        kubectl.run("-n", release, "rollout", "status", f"deployment/forge-{program}", "--timeout=300s")
    key = base64.b64decode(kubectl.server.get(core("secrets", release, "forge-token-key"))["data"]["tls.key"]).decode()
    return Forge(kubectl, url, key, release, f"tenant-{tenant}", tenant)


@dataclass
class Jobs:
    """AnalysisJobs and JobQueues that a test makes, to be cleared after it."""

    forge: Forge
    names: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)

    def apply(self, queue: str, name: str = "", **spec: Any) -> str:
        """Apply an AnalysisJob with kubectl; returns its name."""
        name = name or f"e2e-{uuid.uuid4().hex[:8]}"
        self.names.append(name)
        self.forge.kubectl.server.apply({
            "apiVersion": API_VERSION, "kind": "AnalysisJob",
            "metadata": {"name": name, "namespace": self.forge.tenant_namespace},
            "spec": {"queue": queue, **spec},
        })  # fmt: skip
        return name

    def submit(self, url: str, queue: str = "analysis", name: str = "", **spec: Any) -> str:
        """The same for the repository at `url`."""
        ref = spec.pop("ref", "main")
        repository = {"url": url, "ref": ref, **spec.pop("repository", {})}
        return self.apply(queue, name, repository=repository, **spec)

    def queue(self, like: str = "analysis", **changes: Any) -> str:
        """A JobQueue like an installed one with changes to its spec, None takes a field away; returns its name."""
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        spec = self.forge.kubectl.server.get(job_queues(like))["spec"]
        spec.pop("namespaceSelector", None)  # that of cleanup serves no tenant
        spec = {field: value for field, value in {**spec, **changes}.items() if value is not None}
        manifest = {"apiVersion": API_VERSION, "kind": "JobQueue", "metadata": {"name": name}, "spec": spec}
        self.forge.kubectl.server.apply(manifest)
        self.queues.append(name)
        return name

    def rehearsals(self, like: str = "analysis", **changes: Any) -> str:
        """A queue like an installed one, whose jobs do what `rehearse` tells them (tests/runner_image)."""
        image = (LOCAL / "rehearsal-image").read_text().strip()
        size = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}}
        fixed = {"resourceClasses": {"small": size}, "defaultResourceClass": "small", "paused": False, "sandbox": None}
        return self.queue(like, jobType="rehearsal", image=image, **fixed | changes)

    def rehearse(self, queue: str, *plan: str) -> str:
        """Apply a job that follows the plan, one entry an attempt: `fail/no route`; returns its name."""
        return self.apply(queue, config={"paths": [f"{number}/{what}" for number, what in enumerate(plan, 1)]})

    def sized_queue(self, cpu: str, memory: str, like: str = "analysis", **changes: Any) -> str:
        """A queue like an installed one, whose only class has that size, requested and as its limit."""
        size = {"cpu": cpu, "memory": memory}
        classes = {"only": {"requests": size, "limits": size}}
        return self.queue(like, resourceClasses=classes, defaultResourceClass="only", **changes)

    def clear(self) -> None:
        """Delete all of it."""
        server = self.forge.kubectl.server
        server.delete(*(analysis_jobs(self.forge.tenant_namespace, name) for name in self.names))
        server.delete(*(job_queues(name) for name in self.queues))

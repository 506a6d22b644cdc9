"""An API to test against: real servers in front of real PostgreSQL and Redis, and a small Kubernetes API in memory."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from forge_api.services import Services, services
from forge_api.serving import serving
from forge_api.settings import Settings
from forge_core.cluster import Call, Conflict, NotFound, Raw, Unreachable, analysis_jobs, core, job_queues, jobs
from forge_core.kube import Kubernetes
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    API_VERSION,
    ATTEMPTS_ANNOTATION,
    RUNNER_SERVICE_ACCOUNT,
    TENANT_LABEL,
    TOKEN_AUDIENCE,
    child_job_name,
)

ISSUER = "test-issuer"
AUDIENCE = "forge-jobs"
SECONDS = 120
"""That a client waits for an answer: longer than any machine is busy."""


# --- tokens ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signer:
    """A key pair: tokens are signed with `private`, the API is given `public` (both PEM)."""

    algorithm: str
    private: bytes
    public: bytes

    @classmethod
    def make(cls, algorithm: str = "ES256") -> "Signer":
        """A new pair."""
        key: Any = ec.generate_private_key(ec.SECP256R1())
        if algorithm == "RS256":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return cls(
            algorithm,
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )

    def token(self, tenant: Any = "acme", user: str = "ada", **changes: Any) -> str:
        """A good token, but for the claims that `changes` sets (None leaves one out)."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "tenant": tenant, "exp": now + 600, **changes}
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.private, algorithm=self.algorithm)


# --- a Kubernetes API in memory ----------------------------------------------------------------------------------


@dataclass
class MemoryCluster:
    """Objects by path, with UIDs and resourceVersions; just what the API asks of a cluster. `away` makes it silent."""

    objects: dict[str, Raw] = field(default_factory=dict)
    tokens: dict[str, Raw] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    away: bool = False
    refusal: Exception | None = None
    """Raised by creates instead of creating."""
    obedient: bool = True
    """Whether an operator seems to be there: spec.cancel turns the phase at once."""
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, path: str, body: Raw) -> Raw:
        """Store an object as the API server would."""
        metadata = {"uid": str(uuid.uuid4()), **body.get("metadata", {}), "resourceVersion": str(next(self._versions))}
        metadata["name"] = unquote(path.rsplit("/", 1)[1])
        self.objects[path] = {**body, "metadata": metadata}
        return self.objects[path]

    def tenant(self, tenant: str, namespace: str, **labels: str) -> None:
        """A namespace of the tenant."""
        self.put(core("namespaces", None, namespace), {"metadata": {"labels": {TENANT_LABEL: tenant, **labels}}})

    def queue(self, name: str, job_type: str = "", **spec: Any) -> None:
        """A JobQueue; its kind of work has its name unless `job_type` says otherwise."""
        given = {"jobType": job_type or name, "concurrency": 1, "timeout": "1m", **spec}
        self.put(job_queues(name), {"spec": given})

    async def request(self, call: Call) -> Raw:
        """As forge_core.cluster.Cluster."""
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.away:
            raise Unreachable(f"{call}: nobody answers")
        if call.method == "POST":
            return self._create(call)
        if call.method == "GET" and call.path.endswith("/namespaces"):
            return {"items": [held for path, held in self.objects.items() if "/namespaces/" in path and _plain(path)]}
        if call.method == "GET" and call.path == job_queues():
            return {"items": [held for path, held in self.objects.items() if path.startswith(f"{call.path}/")]}
        if call.path not in self.objects:
            raise NotFound(404, "NotFound", f"{call.path} not found")
        if call.method == "DELETE":
            return self.objects.pop(call.path)
        if "/secrets/" in call.path and call.method == "PATCH":
            return self._patch_secret(call)
        return self._patch(call) if call.method == "PATCH" else self.objects[call.path]

    def _patch_secret(self, call: Call) -> Raw:
        """A merge patch of `data`, or the JSON patch's `copy`, `add` and `replace` of its keys."""
        data, body = dict(self.objects[call.path]["data"]), call.body
        for step in body if isinstance(body, list) else []:
            key = step["path"].removeprefix("/data/")
            data[key] = data[step["from"].removeprefix("/data/")] if step["op"] == "copy" else step["value"]
        if isinstance(body, dict):
            data |= body["data"]
        return self.put(call.path, {**self.objects[call.path], "data": data})

    def _create(self, call: Call) -> Raw:
        body = call.body
        assert isinstance(body, dict)
        if body.get("kind") == "TokenReview":
            return {"status": self.tokens.get(body["spec"]["token"], {"authenticated": False})}
        if self.refusal is not None:
            raise self.refusal
        path = f"{call.path}/{body['metadata']['name']}"
        if path in self.objects:
            raise Conflict(409, "AlreadyExists", f"{path} already exists")
        return self.put(path, body)

    def _patch(self, call: Call) -> Raw:
        held, body = self.objects[call.path], call.body
        assert isinstance(body, dict)
        wanted = body.get("metadata", {}).get("uid", held["metadata"]["uid"])
        if wanted != held["metadata"]["uid"]:
            raise Conflict(409, "Conflict", "Precondition failed: UID in precondition")
        status = held.get("status", {})
        if self.obedient and status.get("phase") in {None, "Queued", "Running"}:
            status = {**status, "phase": "Cancelling" if status.get("phase") == "Running" else "Cancelled"}
        changed = {**held, "spec": {**held.get("spec", {}), **body.get("spec", {})}, "status": status}
        return self.put(call.path, changed)

    # --- builders of what a runner's token leads to ---

    def job(self, namespace: str, name: str, **status: Any) -> Raw:
        """An AnalysisJob with that status."""
        return self.put(analysis_jobs(namespace, name), {"kind": ANALYSIS_JOB_KIND, "spec": {}, "status": status})

    def set_status(self, namespace: str, name: str, **status: Any) -> None:
        """Another status of an AnalysisJob."""
        held = self.objects[analysis_jobs(namespace, name)]
        self.put(analysis_jobs(namespace, name), {**held, "status": {**held.get("status", {}), **status}})

    def pod(self, namespace: str, job: Raw, attempts: int = 3, **changes: Any) -> "RunnerPod":
        """A runner pod of the AnalysisJob, with its Job and a token; `changes` go over what TokenReview says."""
        name = child_job_name(job["metadata"]["name"], job["metadata"]["uid"])
        batch = self.objects.get(jobs(namespace, name)) or self.put(
            jobs(namespace, name),
            {"metadata": {"annotations": {ATTEMPTS_ANNOTATION: str(attempts)}, **owned(ANALYSIS_JOB_KIND, job)}},
        )
        pod_name = f"{name}-{uuid.uuid4().hex[:5]}"
        pod = self.put(core("pods", namespace, pod_name), {"metadata": owned("Job", batch)})
        token = f"token-of-{pod_name}"
        self.tokens[token] = {
            "authenticated": True,
            "audiences": [TOKEN_AUDIENCE],
            "user": {
                "username": f"system:serviceaccount:{namespace}:{RUNNER_SERVICE_ACCOUNT}",
                "extra": {
                    "authentication.kubernetes.io/pod-name": [pod_name],
                    "authentication.kubernetes.io/pod-uid": [pod["metadata"]["uid"]],
                },
            },
            **changes,
        }
        return RunnerPod(token, namespace, pod_name, pod["metadata"]["uid"])

    def disrupt(self, pod: "RunnerPod") -> None:
        """The pod is evicted."""
        path = core("pods", pod.namespace, pod.name)
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
        self.put(path, {**self.objects[path], "status": {"conditions": [condition]}})


@dataclass(frozen=True)
class RunnerPod:
    """A pod and the token that it holds."""

    token: str
    namespace: str
    name: str
    uid: str


def owned(kind: str, owner: Raw) -> Raw:
    """metadata of an object that `owner` controls."""
    version = API_VERSION if kind == ANALYSIS_JOB_KIND else "batch/v1"
    name, uid = owner["metadata"]["name"], owner["metadata"]["uid"]
    return {"ownerReferences": [{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}]}


def _plain(path: str) -> bool:
    return path.count("/") == 4


# --- a running API -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Api:
    """A running API and the clients' side of it."""

    services: Services
    public: str
    internal: str
    signer: Signer

    def client(self, tenant: str = "acme", **changes: Any) -> httpx2.AsyncClient:
        """A client of the public port as a user of that tenant."""
        headers = {"Authorization": f"Bearer {self.signer.token(tenant, **changes)}"}
        return httpx2.AsyncClient(base_url=self.public, headers=headers, timeout=SECONDS, verify=False)

    def stranger(self) -> httpx2.AsyncClient:
        """A client without a token."""
        return httpx2.AsyncClient(base_url=self.public, timeout=SECONDS, verify=False)

    def runner(self, token: str) -> httpx2.AsyncClient:
        """A client of the internal port with a pod's token."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.AsyncClient(base_url=self.internal, headers=headers, timeout=SECONDS, verify=False)

    @property
    def socket_url(self) -> str:
        """Base URL of websockets."""
        return self.public.replace("http://", "ws://")


def make_settings(folder: Path, signer: Signer, database: str, redis: str, **changes: Any) -> Settings:
    """Settings of an API on free ports that trusts `signer`."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    (keys / "test.pem").write_bytes(signer.public)
    given = {
        "database_url": database,
        "redis_url": redis,
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_keys": str(keys),
        "host": "127.0.0.1",
        "public_port": 0,
        "internal_port": 0,
        "drain_seconds": 0,
    }
    return Settings(**{**given, **changes})


@asynccontextmanager
async def running_api(settings: Settings, kube: Kubernetes, signer: Signer) -> AsyncIterator[Api]:
    """Serve on real sockets while the block lasts."""
    async with services(settings, kube) as held, serving(held, settings) as ports:
        yield Api(held, f"http://127.0.0.1:{ports.public}", f"http://127.0.0.1:{ports.internal}", signer)


def with_token(api: Api, signer: Signer) -> Api:
    """The same API for somebody who signs with another key."""
    return replace(api, signer=signer)

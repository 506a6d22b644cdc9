"""An installation whose PostgreSQL, Redis and signing keys are somebody else's."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from forge_core.cluster import core
from forge_core.names import events_stream
from forge_core.phase import Phase
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import Forge, Jobs
from tests.e2e.release import Release, second_release
from tests.services.api_server import apps
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SERVICES: Final = "outside-services"
"""Namespace of what the installation is given."""
PASSWORD: Final = secrets.token_hex(12)
SERVE_KEYS: Final = ["python", "-m", "http.server", "8000", "--directory", "/keys"]
KEY: Final = ec.generate_private_key(ec.SECP256R1())


def written(key: ec.EllipticCurvePrivateKey) -> str:
    """As PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def server(name: str, image: str, port: int, **container: Any) -> list[dict[str, Any]]:
    """A pod that may read the published keys, and its Service."""
    metadata = {"name": name, "namespace": SERVICES, "labels": {"app": name}}
    mount = {"name": "keys", "mountPath": "/keys"}
    ready = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    inside = {"name": name, "image": image, "readinessProbe": ready, "volumeMounts": [mount]}
    keys = {"name": "keys", "configMap": {"name": "keys"}}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
         "spec": {"containers": [inside | container], "volumes": [keys]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata,
         "spec": {"selector": {"app": name}, "ports": [{"port": port}]}},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def services(kubectl: Kubectl) -> Iterator[None]:
    """A PostgreSQL, a Redis and a web server that publishes KEY, all as anybody may run them."""
    images = yaml.safe_load((LOCAL / "images.yaml").read_text())["images"]
    published = json.loads(ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "local", "use": "sig", "alg": "ES256"}
    keys = {"jwks.json": json.dumps({"keys": [published]})}
    kubectl.server.namespace(SERVICES)
    kubectl.server.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys", "namespace": SERVICES}, "data": keys},
        *server("postgres", images["postgres"], 5432, env=[{"name": "POSTGRES_PASSWORD", "value": PASSWORD}]),
        *server("redis", images["redis"], 6379, args=["redis-server", "--requirepass", PASSWORD]),
        *server("identity", images["api"], 8000, command=SERVE_KEYS),
    )
    kubectl.run("-n", SERVICES, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=300s")
    yield
    kubectl.server.delete(core("namespaces", name=SERVICES), wait=False)


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, services: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """An installation that has nothing of its own but its programs."""
    values = {
        "crds": {"apply": False},
        "postgres": {"enabled": False, "external": {"existingSecret": "database"}},
        "redis": {
            "enabled": False,
            "external": {"url": f"redis://redis.{SERVICES}.svc:6379", "existingSecret": "redis-admin"},
        },
        "auth": {
            "jwksUrl": f"http://identity.{SERVICES}.svc:8000/jwks.json",
            "jwksPorts": [8000],
            "localKey": {"create": False},
        },
    }
    with second_release(kubectl, "outside", tmp_path_factory.mktemp("release"), **values) as made:
        url = f"postgresql://postgres:{PASSWORD}@postgres.{SERVICES}.svc:5432/postgres"
        for name, data in (("database", {"url": url}), ("redis-admin", {"password": PASSWORD})):
            metadata = {"name": name, "namespace": made.namespace}
            kubectl.server.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
        made.upgrade()
        yield made


@pytest.fixture(scope="module")
def outside(release: Release) -> Forge:
    """Its API, asked with tokens that KEY signed."""
    url = f"http://{release.exposed('forge-api', 8080)}"
    return Forge(release.kubectl, url, written(KEY), release.namespace, release.tenant_namespace, release.name)


def test_a_job_is_done_recorded_and_told_with_services_of_others(
    release: Release, outside: Forge, small_repository: str
) -> None:
    jobs = Jobs(outside)
    name = jobs.submit(small_repository)
    job = outside.wait_for(name, Phase.COMPLETED, seconds=180)
    with outside.api() as api:
        results = api.get(f"/analyses/{job['metadata']['uid']}/results")
    assert results.status_code == 200, results.text
    assert results.json()["summary"]["score"]["grade"] in "ABCDE"
    stream, row = events_stream(release.name), f"select phase from jobs where name = '{name}'"
    redis, postgres = ("redis-cli", "-a", PASSWORD, "--no-auth-warning"), ("psql", "-U", "postgres", "-tAc")

    def asked(server: str, *command: str) -> str:
        return outside.kubectl.run("-n", SERVICES, "exec", server, "--", *command).stdout.strip()

    wait_until(lambda: asked("redis", *redis, "xlen", stream) == "1", what="its end is told")
    assert asked("postgres", *postgres, row) == Phase.COMPLETED
    own = outside.kubectl.server.items(apps("statefulsets", release.namespace))
    assert own == [], "it has brought no server of its own"
    jobs.clear()


def test_a_key_that_nobody_published_opens_nothing(outside: Forge) -> None:
    forged = replace(outside, key=written(ec.generate_private_key(ec.SECP256R1())))
    with forged.api() as api:
        assert api.get("/analyses").status_code == 401

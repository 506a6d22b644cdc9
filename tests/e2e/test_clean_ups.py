"""A clean-up of what nobody owns, by a real job of the installed queue, through the installed API and operator."""

import base64
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from forge_core.cluster import analysis_jobs, core
from forge_core.names import API_VERSION, COMPONENT_LABEL, redis_user, webhook_secret
from tests.conftest import Kubectl
from tests.e2e.forge import Forge

pytestmark = pytest.mark.cluster
SYSTEM = "forge-system"
COUNTED = {"strayUsers", "strayKeys", "strayBytes", "straySecrets"}
TRIES = 5
"""Other sessions of tests clean up too, and may come between."""


@dataclass(frozen=True)
class Strays:
    """What was left behind by a tenant that is gone, and by a registration that was cut off two days ago."""

    tenant: str
    endpoint: str


def in_redis(kubectl: Kubectl, forge: Forge, *command: str) -> str:
    """A command as the operator's user."""
    held = kubectl.server.get(core("secrets", forge.namespace, "forge-redis-users"))["data"]
    password = base64.b64decode(held["operator-password"]).decode()
    script = 'read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec redis-cli --user operator "$@"'
    place = ("-n", forge.namespace, "exec", "-i", "forge-redis-0", "--", "sh", "-c", script, "sh")
    return kubectl.run(*place, *command, stdin=password + "\n").stdout


@pytest.fixture
def leave(forge: Forge, kubectl: Kubectl) -> Iterator[Callable[[], Strays]]:
    """`leave()` leaves a user, a stream and a Secret behind; what is still there after the test goes."""
    made: list[Strays] = []

    def behind() -> Strays:
        left = Strays(f"gone-{uuid.uuid4().hex[:8]}", str(uuid.uuid4()))
        made.append(left)
        in_redis(kubectl, forge, "ACL", "SETUSER", redis_user(left.tenant), "on", ">password")
        in_redis(kubectl, forge, "XADD", f"forge:{{{left.tenant}}}:progress", "1000-0", "m", "{}")
        kubectl.server.apply({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"url": "https://example.com", "secret": "whsec_x"},
            "metadata": {
                "name": webhook_secret(left.endpoint), "namespace": forge.tenant_namespace,
                "labels": {COMPONENT_LABEL: "webhook-endpoint"},
            },
        })  # fmt: skip
        forge.sql(
            "insert into webhook_secrets (endpoint_id, namespace, noted_at)"
            f" values ('{left.endpoint}', '{forge.tenant_namespace}', now() - interval '2 days')"
        )
        return left

    yield behind
    for left in made:
        in_redis(kubectl, forge, "ACL", "DELUSER", redis_user(left.tenant))
        in_redis(kubectl, forge, "DEL", f"forge:{{{left.tenant}}}:progress")
        kubectl.server.delete(core("secrets", forge.tenant_namespace, webhook_secret(left.endpoint)))
        forge.sql(f"delete from webhook_secrets where endpoint_id = '{left.endpoint}'")


def swept(forge: Forge, kubectl: Kubectl, *, dry_run: bool) -> dict[str, int]:
    """What the result of a job counts."""
    name = f"retire-{uuid.uuid4().hex[:8]}"
    config = {"task": "retire-orphans", "dryRun": dry_run}
    metadata = {"name": name, "namespace": SYSTEM}
    kubectl.server.apply({
        "apiVersion": API_VERSION, "kind": "AnalysisJob", "metadata": metadata,
        "spec": {"queue": "cleanup", "config": config},
    })  # fmt: skip
    kubectl.run("-n", SYSTEM, "wait", "--for=jsonpath={.status.phase}=Completed", f"aj/{name}", "--timeout=200s")
    uid = kubectl.server.get(analysis_jobs(SYSTEM, name))["metadata"]["uid"]
    with forge.api("system") as api:
        summary = api.get(f"/jobs/{uid}/results").json()["summary"]
    kubectl.server.delete(analysis_jobs(SYSTEM, name))
    counts: dict[str, int] = summary["wouldChange" if dry_run else "changed"]
    return counts


def there(forge: Forge, kubectl: Kubectl, strays: Strays) -> list[bool]:
    """Whether user, stream and Secret are there."""
    return [
        redis_user(strays.tenant) in in_redis(kubectl, forge, "ACL", "USERS").split(),
        in_redis(kubectl, forge, "EXISTS", f"forge:{{{strays.tenant}}}:progress").strip() == "1",
        kubectl.server.read(core("secrets", forge.tenant_namespace, webhook_secret(strays.endpoint))) is not None,
    ]


def test_what_nobody_owns_is_told_by_a_dry_run_and_removed_by_the_next(
    forge: Forge, kubectl: Kubectl, leave: Callable[[], Strays]
) -> None:
    of_tenants = {redis_user("demo"), redis_user("system")}
    for _ in range(TRIES):
        left = leave()
        told, untouched = swept(forge, kubectl, dry_run=True).keys(), there(forge, kubectl, left)
        removed = swept(forge, kubectl, dry_run=False).keys()
        assert there(forge, kubectl, left) == [False, False, False]
        if told >= COUNTED and removed >= COUNTED:
            assert untouched == [True, True, True]
            break
    else:
        pytest.fail(f"{TRIES} times a dry run told {[*told]} and the next clean-up removed {[*removed]}")
    assert of_tenants <= set(in_redis(kubectl, forge, "ACL", "USERS").split())

"""Deliveries on the real cluster: signed, repeated, refused; the receiver checks signatures by itself."""

import base64
import json
import uuid
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from forge_core.cluster import core
from forge_core.names import webhook_secret
from forge_core.phase import Phase
from tests.e2e.forge import Forge, Jobs
from tests.e2e.hooks import Hooks
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
TABLES = ("jobs", "attempts", "webhook_endpoints", "webhook_deliveries", "outbox")


class Tenant:
    """A user of the tenant, and the endpoints it registered."""

    def __init__(self, client: httpx2.Client, hooks: Hooks) -> None:
        self.client = client
        self.hooks = hooks
        self.made: list[str] = []

    def register(self, query: str = "", events: tuple[str, ...] = ("none.*",)) -> tuple[dict[str, Any], str]:
        """An endpoint of the receiver, whose secret it knows, and its path there. Without a filter no event matches."""
        path = f"/{uuid.uuid4().hex}{query}"
        answer = self.client.post("/webhooks", json={"url": self.hooks.url(path), "events": list(events)})
        assert answer.status_code == 201, answer.text
        endpoint: dict[str, Any] = answer.json()
        self.made.append(endpoint["id"])
        self.hooks.expect(endpoint["secret"])
        return endpoint, path

    def ping(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """A delivery."""
        answer = self.client.post(f"/webhooks/{endpoint['id']}/ping")
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def delivery(self, endpoint: dict[str, Any], *statuses: str) -> dict[str, Any]:
        """The endpoint's newest delivery, once it has one of the statuses."""

        def there() -> dict[str, Any] | None:
            items = self.client.get(f"/webhooks/{endpoint['id']}/deliveries").json()["items"]
            return items[0] if items and items[0]["status"] in statuses else None

        return wait_until(there, 120, f"a delivery is {' or '.join(statuses)}")


@pytest.fixture
def tenant(forge: Forge, hooks: Hooks) -> Iterator[Tenant]:
    """All its endpoints are gone after the test."""
    with forge.api() as client:
        made = Tenant(client, hooks)
        yield made
        for endpoint in made.made:
            client.delete(f"/webhooks/{endpoint}")


def test_the_end_of_an_analysis_is_delivered_signed_and_once(
    forge: Forge, jobs: Jobs, tenant: Tenant, hooks: Hooks, small_repository: str
) -> None:
    endpoint, path = tenant.register(events=("analysis.completed",))
    uid = forge.wait_for(jobs.submit(small_repository), Phase.COMPLETED)["metadata"]["uid"]

    def event() -> dict[str, Any] | None:
        told = (json.loads(base64.b64decode(seen["body"])) for seen in hooks.received(path))
        return next((each for each in told if each["subject"] == uid), None)

    found = wait_until(event, what="the event is delivered")
    assert found["type"] == "analysis.completed"
    tenant.delivery(endpoint, "completed")
    calls = [seen for seen in hooks.received(path) if seen["headers"]["webhook-id"] == found["id"]]
    assert [seen["status"] for seen in calls] == [200]  # 401 for what isn't signed by the endpoint's secret


def test_an_endpoint_that_answers_500_twice_is_called_a_third_time_with_the_same_id(
    tenant: Tenant, hooks: Hooks
) -> None:
    endpoint, path = tenant.register("?answers=500,500,200&body=hello")
    accepted = tenant.ping(endpoint)
    delivery = tenant.delivery(endpoint, "completed", "failed")
    assert [(call["status"], call["body"]) for call in delivery["calls"]] == [
        (500, "hello"), (500, "hello"), (200, "hello"),
    ]  # fmt: skip
    calls = hooks.received(path)
    assert {seen["headers"]["webhook-id"] for seen in calls} == {accepted["messageId"]}
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(calls)]
    assert gaps[0] >= 1
    assert gaps[1] >= 2


def test_an_endpoint_that_answers_410_is_called_once_and_disabled(tenant: Tenant, hooks: Hooks) -> None:
    endpoint, path = tenant.register("?answers=410")
    tenant.ping(endpoint)
    tenant.delivery(endpoint, "failed")
    shown = f"/webhooks/{endpoint['id']}"
    wait_until(lambda: tenant.client.get(shown).json()["disabledBecause"] == "gone", what="it is disabled")
    assert len(hooks.received(path)) == 1


def test_while_a_secret_is_changed_both_sign(tenant: Tenant, hooks: Hooks) -> None:
    endpoint, path = tenant.register()
    rotated = tenant.client.post(f"/webhooks/{endpoint['id']}/rotate-secret", json={}).json()
    for secret in (endpoint["secret"], rotated["secret"]):
        hooks.expect(secret)
        tenant.ping(endpoint)
        tenant.delivery(endpoint, "completed")
    assert [seen["status"] for seen in hooks.received(path)] == [200, 200]


def test_the_clusters_own_addresses_are_not_called(forge: Forge, tenant: Tenant, hooks: Hooks) -> None:
    services = forge.kubectl.server.get(core("services", "default", "kubernetes"))["spec"]["clusterIP"]
    for host in (services, "kubernetes.default.svc", "169.254.169.254", f"forge-api-internal.{forge.namespace}.svc"):
        answer = tenant.client.post("/webhooks", json={"url": f"http://{host}/", "events": ["none.*"]})
        endpoint = answer.json()
        tenant.made.append(endpoint["id"])
        tenant.ping(endpoint)
        assert "not a public address" in tenant.delivery(endpoint, "failed")["message"]


def test_the_api_may_write_endpoints_secrets_and_no_others(forge: Forge, tenant: Tenant) -> None:
    endpoint, _ = tenant.register()
    place = ("-n", forge.tenant_namespace, f"--as=system:serviceaccount:{forge.namespace}:forge-api")
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forge-redis", "annotations": {"e2e": "x"}}}
    write = ("apply", "--server-side", "--validate=false", "-f", "-")  # a plain patch would be read first
    for refused in (
        forge.kubectl.run(*place, *write, stdin=json.dumps(other), check=False),
        forge.kubectl.run(*place, "delete", "secret", "forge-redis", check=False),
    ):
        assert refused.returncode
        assert "names begin with forge-job-webhook-" in refused.stderr
    for verb in ("get", "list", "watch", "update"):
        assert forge.kubectl.run(*place, "auth", "can-i", verb, "secrets", check=False).stdout.strip() == "no"
    assert forge.kubectl.server.get(core("secrets", forge.tenant_namespace, webhook_secret(endpoint["id"])))


def test_no_secret_is_in_a_row_a_manifest_or_a_log(forge: Forge, tenant: Tenant) -> None:
    endpoint, _ = tenant.register("?answers=500,200")
    name = tenant.ping(endpoint)["id"]
    tenant.delivery(endpoint, "completed")
    bare = endpoint["secret"].removeprefix("whsec_")
    told = [json.dumps([forge.job(name), forge.batch_jobs(name), forge.pods(name)])]
    told += [str(forge.sql(f"select {table}::text from {table}")) for table in TABLES]
    told += [
        forge.kubectl.run("-n", forge.namespace, "logs", f"deployment/forge-{part}").stdout
        for part in ("api", "operator")
    ]
    pods = [pod["metadata"]["name"] for pod in forge.pods(name)]
    told += [forge.kubectl.run("-n", forge.tenant_namespace, "logs", pod).stdout for pod in pods]
    assert all(bare not in each for each in told)

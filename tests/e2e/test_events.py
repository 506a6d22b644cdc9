"""A tenant reads on the real cluster what became of its jobs, with its own Redis user."""

import base64
import json

import pytest

from forge_core.cluster import core
from forge_core.names import REDIS_SECRET, events_stream
from forge_core.phase import Phase
from tests.e2e.forge import TENANT, TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def as_tenant(forge: Forge, *command: str) -> str:
    """What Redis answers the tenant."""
    secret = forge.kubectl.server.get(core("secrets", TENANT_NAMESPACE, REDIS_SECRET))["data"]
    user, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    script = 'REDISCLI_AUTH="$0" exec redis-cli --json --user "$@"'
    return forge.kubectl.run("-n", forge.namespace, "exec", "forge-redis-0", "--", "sh", "-c", script, password, user,
                             *command).stdout  # fmt: skip


def test_a_tenant_reads_the_end_of_its_job_in_its_stream_and_can_forge_none(
    forge: Forge, jobs: Jobs, small_repository: str
) -> None:
    name = jobs.submit(small_repository)
    uid = forge.wait_for(name, Phase.COMPLETED)["metadata"]["uid"]

    def event() -> dict[str, object] | None:
        for _, fields in json.loads(as_tenant(forge, "XREVRANGE", events_stream(TENANT), "+", "-", "COUNT", "50")):
            told = dict(zip(fields[::2], fields[1::2], strict=True))
            if json.loads(told["m"])["subject"] == uid:
                return told
        return None

    found = wait_until(event, what="the event is in the stream")
    assert found["type"] == "analysis.completed"
    assert forge.sql(f"select count(*) from outbox where id = '{found['id']}' and published_at is not null") == [["1"]]
    assert "NOPERM" in as_tenant(forge, "XADD", events_stream(TENANT), "*", "id", "forged")

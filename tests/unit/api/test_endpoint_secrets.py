"""Endpoints' Secrets, written and never asked for; what a pod tells of a call is looked at before it is shown."""

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from forge_api.endpoint_secrets import EndpointSecrets, new_secret
from forge_api.problems import Problem
from forge_api.webhook_views import CallView
from forge_core.cluster import Refused, core
from forge_core.history.deliveries import Attempt, Message, job_for
from forge_core.history.endpoints import Endpoint
from forge_core.resource import JobSpec
from tests.builders.api import MemoryCluster

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ENDPOINT = Endpoint(
    uuid.UUID(int=7), "acme", "tenant-acme", "https://hooks.example/x", (), "", True, "", NOW, "ada", NOW
)  # fmt: skip
PATH = core("secrets", "tenant-acme", f"forge-job-webhook-{ENDPOINT.id}")


def held(cluster: MemoryCluster) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in cluster.objects[PATH]["data"].items()}


async def test_two_rotations_leave_the_newest_two_secrets_and_nothing_is_ever_read() -> None:
    cluster = MemoryCluster()
    keeping = EndpointSecrets(cluster)
    first = await keeping.make(ENDPOINT)
    assert held(cluster) == {"url": ENDPOINT.url, "secret": first}
    second = await keeping.rotate(ENDPOINT, NOW)
    third = await keeping.rotate(ENDPOINT, NOW)
    assert len({first, second, third}) == 3
    assert held(cluster) == {
        "url": ENDPOINT.url, "secret": third, "previous": second, "previous-until": "2026-01-31T12:00:00Z",
    }  # fmt: skip
    await keeping.lead_to(ENDPOINT, "https://b.example/")
    assert held(cluster)["url"] == "https://b.example/"
    assert {call.method for call in cluster.calls} == {"POST", "PATCH"}


async def test_forgetting_is_done_when_there_is_nothing() -> None:
    cluster = MemoryCluster()
    keeping = EndpointSecrets(cluster)
    await keeping.make(ENDPOINT)
    await keeping.forget(ENDPOINT.namespace, ENDPOINT.secret)
    await keeping.forget(ENDPOINT.namespace, ENDPOINT.secret)
    assert PATH not in cluster.objects


@pytest.mark.parametrize(("away", "status"), [(True, 503), (False, 422)], ids=["away", "refused"])
async def test_what_goes_wrong_is_told_without_what_the_secret_holds(
    away: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = MemoryCluster(away=away, refusal=Refused(403, "Forbidden", "secret is d2hzZWNfLi4u"))
    with pytest.raises(Problem) as told:
        await EndpointSecrets(cluster).make(ENDPOINT)
    assert told.value.status_code == status
    out = capsys.readouterr()
    assert "d2hz" not in str(told.value.detail) + out.out + out.err


async def test_an_endpoint_without_its_secret_says_what_to_do() -> None:
    with pytest.raises(Problem, match="register it again") as told:
        await EndpointSecrets(MemoryCluster()).rotate(ENDPOINT, NOW)
    assert told.value.status_code == 409


def test_secrets_are_32_random_bytes() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(each.removeprefix("whsec_"), validate=True)) for each in made} == {32}


def test_a_deliverys_manifest_names_the_secret_and_holds_neither_it_nor_the_url() -> None:
    job = job_for(ENDPOINT, Message("m-1", "ping", "{}"), uuid.UUID(int=9), "ada", NOW)
    spec = JobSpec.read(job.spec)
    assert spec.secret_ref is not None
    assert spec.secret_ref.name == PATH.rsplit("/", 1)[1]
    assert "hooks.example" not in str(job.spec)


@pytest.mark.parametrize(
    "account",
    [
        {}, {"response": None}, {"response": "x"}, {"response": {"status": "200", "body": 7}}, {"seconds": "soon"},
        {"response": {"status": [], "body": {}}, "seconds": None},
    ],
)  # fmt: skip
def test_an_account_of_another_form_is_shown_as_none(account: dict[str, Any]) -> None:
    shown = CallView.of(Attempt(1, NOW, None, "", account))
    assert (shown.status, shown.seconds, shown.body) == (None, None, "")

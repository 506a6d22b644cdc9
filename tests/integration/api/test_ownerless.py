"""What nobody owns, through the internal API: an endpoint's Secret by its note, all else passed on to the operator."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from forge_api.problems import Problem
from forge_api.settings import Settings
from forge_core.cluster import Cluster, core
from forge_core.history.endpoints import Endpoint
from forge_core.maintenance import Ask, Step
from forge_core.progress import Progress
from forge_operator.strays import Strays
from tests.builders.api import Api, MemoryCluster, Signer, make_settings
from tests.services.explaining import TOKEN, ExplainingOperator, explaining_operator

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=2)
URL = "https://hooks.example.com/forge"


@pytest.fixture
async def operator(redis_url: str) -> AsyncIterator[ExplainingOperator]:
    async with Progress.connect(redis_url) as progress:

        def strays(picture: Any) -> Strays:
            return Strays(cast("Cluster", None), progress, picture, redis_is_ours=True)

        async with explaining_operator(strays=strays) as operator:
            yield operator


@pytest.fixture
def settings(
    tmp_path: Path, signer: Signer, history_url: str, redis_url: str, operator: ExplainingOperator
) -> Settings:
    return make_settings(tmp_path, signer, history_url, redis_url, operator_url=operator.url, operator_token=TOKEN)


async def do(api: Api, step: Step, now: datetime = LATER, **asked: Any) -> dict[str, int]:
    return (await api.services.upkeep.do(step, Ask(**asked), now)).counts


def endpoint() -> Endpoint:
    return Endpoint(
        id=uuid.uuid4(), tenant="acme", namespace="tenant-acme", url=URL, events=(), description="", enabled=True,
        disabled_because="", enabled_at=NOW, created_by="me", created_at=NOW,
    )  # fmt: skip


def secrets(cluster: MemoryCluster) -> set[str]:
    return {path for path in cluster.objects if "/secrets/" in path}


async def test_a_secret_whose_endpoint_never_came_to_be_goes_a_day_later(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        kept = (await client.post("/webhooks", json={"url": URL})).json()["id"]
    lost = endpoint()  # the API is ended between these two and the row
    await api.services.endpoints.note_secret(lost)
    await api.services.endpoint_secrets.make(lost)
    both = {core("secrets", "tenant-acme", f"forge-job-webhook-{each}") for each in (kept, lost.id)}
    assert secrets(cluster) == both
    assert await do(api, Step.SECRETS, NOW) == {}
    assert await do(api, Step.SECRETS, dry_run=True) == {"straySecrets": 1}
    assert secrets(cluster) == both
    assert await do(api, Step.SECRETS) == {"straySecrets": 1}
    assert secrets(cluster) == {core("secrets", "tenant-acme", f"forge-job-webhook-{kept}")}
    assert await do(api, Step.SECRETS) == {}


async def test_a_note_whose_secret_was_never_made_goes_too(api: Api, cluster: MemoryCluster) -> None:
    await api.services.endpoints.note_secret(endpoint())
    assert await do(api, Step.SECRETS) == {"straySecrets": 1}
    assert await do(api, Step.SECRETS) == {}
    assert not secrets(cluster)


async def test_a_secret_that_cant_be_removed_now_is_found_again(api: Api, cluster: MemoryCluster) -> None:
    lost = endpoint()
    await api.services.endpoints.note_secret(lost)
    await api.services.endpoint_secrets.make(lost)
    cluster.away = True
    with pytest.raises(Problem) as refused:
        await do(api, Step.SECRETS)
    assert refused.value.status_code == 503
    cluster.away = False
    assert await do(api, Step.SECRETS) == {"straySecrets": 1}


async def test_a_batch_of_them_is_followed_by_another(
    api: Api, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_api.internal.ownerless.SECRETS_AT_ONCE", 2)
    for _ in range(3):
        await api.services.endpoints.note_secret(endpoint())
    assert await do(api, Step.SECRETS, dry_run=True) == {"straySecrets": 3}
    first = await api.services.upkeep.do(Step.SECRETS, Ask(), LATER)
    assert (first.counts, bool(first.after)) == ({"straySecrets": 2}, True)
    rest = await api.services.upkeep.do(Step.SECRETS, Ask(after=first.after), LATER)
    assert (rest.counts, rest.after) == ({"straySecrets": 1}, "")


async def test_a_deleted_endpoint_leaves_no_note(api: Api) -> None:
    async with api.client() as client:
        made = (await client.post("/webhooks", json={"url": URL})).json()["id"]
        assert (await client.delete(f"/webhooks/{made}")).status_code == 204
    assert await do(api, Step.SECRETS) == {}


async def test_the_operators_steps_are_passed_on_to_it(api: Api, redis_url: str) -> None:
    async with Progress.connect(redis_url) as progress:
        await progress.set_user("gone", "password")
        assert await do(api, Step.REDIS, dry_run=True) == {"strayUsers": 1}
        assert await progress.users() == {"gone"}
        assert await do(api, Step.REDIS) == {"strayUsers": 1}
        assert await progress.users() == set()


async def test_an_operator_that_stands_by_or_is_gone_is_waited_for(
    api: Api, operator: ExplainingOperator, redis_url: str
) -> None:
    operator.leads = False
    with pytest.raises(Problem, match="it answered 503") as refused:
        await do(api, Step.REDIS)
    assert refused.value.status_code == 503
    operator.leads = True
    assert await do(api, Step.REDIS) == {}


# --- the operator's port -----------------------------------------------------------------------------------------
async def answered(operator: ExplainingOperator, step: str, body: bytes, token: str = TOKEN) -> int:
    async with httpx2.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.post(f"{operator.url}/maintenance/{step}", content=body, headers=headers)
        return answer.status_code


@pytest.mark.parametrize(
    ("step", "body", "token", "status"),
    [
        ("redis", b"{}", TOKEN, 200),
        ("redis", b"{}", "", 401),
        ("redis", b"{}", "another", 401),
        ("rows", b"{}", TOKEN, 404),
        ("nonsense", b"{}", TOKEN, 404),
        ("redis", b"", TOKEN, 422),
        ("redis", b"[" * 900, TOKEN, 422),
        ("redis", b'{"dry_run": "yes"}', TOKEN, 422),
        ("redis", b'{"now": "2100-01-01"}', TOKEN, 422),
        ("redis", b'{"after": "' + b"x" * 300 + b'"}', TOKEN, 422),
        ("redis", b'{"after": "' + b"x" * 3000 + b'"}', TOKEN, 413),
    ],
)
async def test_only_the_api_may_ask_and_only_for_what_there_is(
    operator: ExplainingOperator, step: str, body: bytes, token: str, status: int
) -> None:
    assert await answered(operator, step, body, token) == status

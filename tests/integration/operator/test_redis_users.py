"""The tenants' Redis users on real servers. Secrets come from a small real HTTP server in place of the API server."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web
from kubernetes.aio import client

from forge_core.cluster import Cluster
from forge_core.messages import ProgressMessage, ProgressUnavailable
from forge_core.progress import Progress
from forge_operator.redis_users import RESET_SECONDS, RedisUsers
from tests.services.redis import RedisServer

pytestmark = pytest.mark.anyio
MESSAGE = ProgressMessage(uid="u1", attempt=1, stage="clone", percent=5, at=datetime.now(UTC))


@asynccontextmanager
async def secrets(passwords: dict[str, str]) -> AsyncIterator[Cluster]:
    """A Cluster client whose server knows one Secret `forge-redis` for each namespace in `passwords`."""

    async def answer(request: web.Request) -> web.Response:
        password = passwords.get(request.match_info["namespace"])
        if password is None:
            return web.json_response({"reason": "NotFound"}, status=404)
        return web.json_response({"data": {"password": base64.b64encode(password.encode()).decode()}})

    app = web.Application()
    app.add_routes([web.get("/api/v1/namespaces/{namespace}/secrets/forge-redis", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with client.ApiClient(configuration=configuration) as api:
        yield Cluster(api)
    await runner.cleanup()


async def report(url: str, tenant: str, password: str, *, to: str) -> None:
    async with Progress.connect(url, f"tenant-{tenant}", password) as progress:
        await progress.report(to, MESSAGE)


async def test_a_tenant_may_report_to_its_own_keys_and_to_no_others(redis_url: str) -> None:
    async with secrets({"tenant-a": "pa", "tenant-b": "pb"}) as cluster, Progress.connect(redis_url) as progress:
        users = RedisUsers(cluster, progress, lambda: [("a", "tenant-a"), ("b", "tenant-b")])
        assert await users.look(0.0)
        await report(redis_url, "a", "pa", to="a")
        with pytest.raises(ProgressUnavailable):
            await report(redis_url, "a", "pa", to="b")
        with pytest.raises(ProgressUnavailable):
            await report(redis_url, "a", "pb", to="a")


async def test_users_are_set_again_as_soon_as_redis_is_another_one(redis_one: RedisServer) -> None:
    async with secrets({"tenant-a": "pa"}) as cluster, Progress.connect(redis_one.url) as progress:
        users = RedisUsers(cluster, progress, lambda: [("a", "tenant-a")])
        assert await users.look(0.0)
        assert not await users.look(1.0)
        redis_one.stop()
        with pytest.raises(ProgressUnavailable):
            await users.look(2.0)
        redis_one.start()
        assert await users.look(3.0)
        await report(redis_one.url, "a", "pa", to="a")


async def test_users_are_set_again_in_any_case_after_a_while_and_for_a_new_tenant(redis_url: str) -> None:
    passwords, tenants = {"tenant-a": "pa"}, [("a", "tenant-a")]
    async with secrets(passwords) as cluster, Progress.connect(redis_url) as progress:
        users = RedisUsers(cluster, progress, lambda: tenants)
        await users.look(0.0)
        passwords["tenant-a"] = "new"
        assert await users.look(RESET_SECONDS)
        await report(redis_url, "a", "new", to="a")
        passwords["tenant-b"] = "pb"
        tenants.append(("b", "tenant-b"))
        assert await users.look(RESET_SECONDS + 1)
        await report(redis_url, "b", "pb", to="b")


async def test_a_tenant_without_a_secret_keeps_nobody_else_waiting(redis_url: str) -> None:
    async with secrets({"tenant-b": "pb"}) as cluster, Progress.connect(redis_url) as progress:
        await RedisUsers(cluster, progress, lambda: [("a", "tenant-a"), ("b", "tenant-b")]).look(0.0)
        await report(redis_url, "b", "pb", to="b")


async def test_every_node_of_a_redis_cluster_knows_the_user(redis_cluster_url: str) -> None:
    tenants = [("a", "tenant-a"), ("b", "tenant-b"), ("c", "tenant-c"), ("d", "tenant-d")]
    passwords = {namespace: f"p-{tenant}" for tenant, namespace in tenants}
    async with secrets(passwords) as cluster, Progress.connect(redis_cluster_url) as progress:
        assert len(await progress.servers()) == 3
        await RedisUsers(cluster, progress, lambda: tenants).look(0.0)
        for tenant, namespace in tenants:  # their keys are in different slots, so on different nodes
            await report(redis_cluster_url, tenant, passwords[namespace], to=tenant)

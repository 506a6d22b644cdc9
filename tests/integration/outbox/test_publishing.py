"""What a tenant reads of its events, and what becomes of them while Redis is away, emptied, full, or refuses."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis
from psycopg import connect

from forge_core.history.database import History, HistoryUnavailable
from forge_core.history.migrations.__main__ import upgrade
from forge_core.history.outbox import Channel, Outbox
from forge_core.history.records import Records
from forge_core.names import events_stream, redis_user
from forge_core.phase import Phase
from forge_core.progress import Progress
from forge_operator.metrics import Metrics
from forge_operator.outbox.backlog import Backlogs
from tests.integration.outbox.conftest import (
    Reader,
    add_events,
    all_published,
    by_job,
    end_jobs,
    made_record,
    publishing,
    unpublished,
    written,
)
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.services.waiting import eventually, wait_until
from tests.services.wire import wire

pytestmark = pytest.mark.anyio


async def test_a_tenant_reads_cloudevents_whose_ids_are_the_outboxs(
    history: History, history_url: str, redis_url: str
) -> None:
    [good] = await end_jobs(history, "t", 1)
    [bad] = await end_jobs(history, "t", 1, Phase.FAILED)
    async with publishing(history, redis_url) as running:
        await running.reaches("forge_outbox_published_total", 2)
        assert unpublished(history_url) == 0
        assert running.value("forge_outbox_published_total") == 2
    first, second = Reader(redis_url, "t").entries()
    assert (first["type"], second["type"]) == ("analysis.completed", "analysis.failed")
    event = json.loads(second["m"])
    assert (event["id"], event["specversion"], event["tenantid"]) == (second["id"], "1.0", "t")
    assert event["data"] == {"analysisId": str(bad), "error": "it broke"}
    assert json.loads(first["m"])["data"] == {"analysisId": str(good), "repositoryId": "r1"}


async def test_events_wait_for_the_schema_that_is_still_to_be_made(postgres: PostgresServer, redis_url: str) -> None:
    url = postgres.create()
    async with History.connect(url) as history:
        with pytest.raises(HistoryUnavailable, match='older than this program: UndefinedTable: relation "outbox"'):
            await Outbox(history).tenants()
        async with publishing(history, redis_url):
            await asyncio.to_thread(upgrade, url)
            await end_jobs(history, "t", 2)
            await all_published(url)
    assert len(Reader(redis_url, "t").entries()) == 2


async def test_a_redis_that_is_away_is_waited_for_and_an_emptied_one_gets_what_follows(
    history: History, history_url: str, redis_one: RedisServer
) -> None:
    await end_jobs(history, "t", 2)
    redis_one.stop()
    async with publishing(history, redis_one.url) as running:
        await running.reaches("forge_outbox_failures_total", 2)
        assert unpublished(history_url) == 2
        redis_one.start()
        await all_published(history_url)
        assert len(Reader(redis_one.url, "t").entries()) == 2
        redis_one.stop()
        redis_one.start()
        [later] = await end_jobs(history, "t", 1)
        await all_published(history_url)
    assert [job for job, _ in Reader(redis_one.url, "t").seen()] == [str(later)]


async def test_a_redis_whose_connections_break_is_told_everything(
    history: History, history_url: str, redis_one: RedisServer
) -> None:
    jobs = await end_jobs(history, "t", 300)
    for job in jobs:
        add_events(history_url, job, "t", ["analysis.more"])
    with wire(redis_one.port) as between:
        async with publishing(history, f"redis://127.0.0.1:{between.port}"):
            pause = 0.02
            while unpublished(history_url):
                await asyncio.sleep(pause)
                between.cut()
                between.mend()
                pause *= 1.2  # however busy the machine is, one of them is long enough for a batch
    assert by_job(Reader(redis_one.url, "t").seen()) == by_job(written(history_url))


async def test_postgresql_that_breaks_off_is_waited_for(history_url: str, redis_url: str) -> None:
    port = int(history_url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])
    with wire(port) as between:
        url = history_url.replace(f":{port}/", f":{between.port}/")
        async with (
            History.connect(url) as through,
            History.connect(history_url) as history,
            publishing(through, redis_url),
        ):
            await end_jobs(history, "t", 3)
            between.cut()
            await end_jobs(history, "t", 3)
            between.mend()
            await all_published(history_url)
    assert by_job(Reader(redis_url, "t").seen()) == by_job(written(history_url))


async def test_one_tenants_trouble_holds_up_nobody_else(history: History, history_url: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(events_stream("ailing"), "not a stream")
        await end_jobs(history, "ailing", 250)
        await end_jobs(history, "well", 3)
        async with publishing(history, redis_url) as running:
            await eventually(lambda: _is(len(Reader(redis_url, "well").entries()) == 3), what="the others are told")
            await running.reaches("forge_outbox_failures_total", 1)
            await eventually(lambda: _is(unpublished(history_url) == 250), what="the others' are marked, and no more")
            client.delete(events_stream("ailing"))
            await all_published(history_url)
    assert len(Reader(redis_url, "ailing").seen()) == 250


async def test_a_node_of_a_redis_cluster_away_holds_up_only_its_own_tenants(
    history: History, history_url: str, redis_nodes: list[RedisServer], redis_cluster_url: str
) -> None:
    tenants = ["a", "b", "c", "d", "e", "f"]
    with redis.RedisCluster.from_url(redis_cluster_url.replace("redis+cluster", "redis")) as client:
        client.flushall(target_nodes=redis.RedisCluster.PRIMARIES)
        client.config_set("cluster-require-full-coverage", "no", target_nodes=redis.RedisCluster.ALL_NODES)
        ports = {tenant: client.get_node_from_key(events_stream(tenant)).port for tenant in tenants}
    away = next(node for node in redis_nodes[1:] if node.port in ports.values())
    reachable = [tenant for tenant in tenants if ports[tenant] != away.port]
    assert reachable
    assert len(reachable) < len(tenants)
    assert away.process
    async with publishing(history, redis_cluster_url, seconds=1.0) as running:
        away.process.send_signal(19)  # SIGSTOP: it hangs, which is worse than refusing
        try:
            for tenant in tenants:
                await end_jobs(history, tenant, 2)
            for tenant in reachable:
                await eventually(partial(_told, tenant, history_url))
            await running.reaches("forge_outbox_failures_total", 1)
        finally:
            away.process.send_signal(18)
        await all_published(history_url)
    wait_until(lambda: all(len(Reader(redis_cluster_url, tenant).seen()) == 2 for tenant in tenants))


async def test_a_redis_that_refuses_us_is_asked_again(history: History, history_url: str, redis_url: str) -> None:
    await end_jobs(history, "t", 2)
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL SETUSER", "operator", "on", ">right", "~*", "+@all", "-xadd")
        async with publishing(history, redis_url, username="operator") as running:
            await running.reaches("forge_outbox_failures_total", 1)
            assert unpublished(history_url) == 2
            client.execute_command("ACL SETUSER", "operator", "+xadd")
            await all_published(history_url)


async def test_a_stream_is_kept_to_its_length(history: History, history_url: str, redis_url: str) -> None:
    await end_jobs(history, "t", 1000)
    async with publishing(history, redis_url, length=100):
        await all_published(history_url)
    assert 100 <= len(Reader(redis_url, "t").entries()) < 400


async def test_a_standby_publishes_nothing(history: History, history_url: str, redis_url: str) -> None:
    async with publishing(history, redis_url) as running:
        running.leading = False
        await end_jobs(history, "t", 1)
        backlogs = Backlogs(Outbox(history), running.metrics, lambda: True)
        await backlogs.look()
        assert running.value("forge_outbox_backlog") == 1
        assert unpublished(history_url) == 1
        running.leading = True
        await all_published(history_url)


async def test_the_backlog_and_its_age_are_measured_and_grow_while_postgresql_is_away(history_url: str) -> None:
    port = int(history_url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])
    metrics = Metrics(list)
    with wire(port) as between:
        async with History.connect(history_url.replace(f":{port}/", f":{between.port}/")) as history:
            await end_jobs(history, "t", 3)
            with connect(history_url, autocommit=True) as connection:
                connection.execute("update outbox set created_at = now() - interval '1 hour'")
            backlogs = Backlogs(Outbox(history), metrics, lambda: True)
            await backlogs.look()
            lag = metrics.registry.get_sample_value("forge_outbox_lag_seconds", {"channel": "events"})
            assert lag is not None
            assert 3600 <= lag < 3700
            between.cut()
            await backlogs.look()
            later = metrics.registry.get_sample_value("forge_outbox_lag_seconds", {"channel": "events"})
            assert later is not None
            assert later > lag
    assert metrics.registry.get_sample_value("forge_outbox_backlog", {"channel": "events"}) == 3


async def test_an_event_marked_twice_is_counted_once(history: History) -> None:
    await end_jobs(history, "t", 2)
    outbox = Outbox(history)
    ids = [event.id for event in await outbox.heads("t", 10)]
    assert await outbox.published(ids[:1]) == 1
    assert await outbox.published(ids) == 1
    assert (await outbox.backlog())[Channel.EVENTS].waiting == 0


async def test_the_tenants_that_have_something_to_be_told_are_found_one_by_one(history: History) -> None:
    for tenant in ("b", "a", "c"):
        await end_jobs(history, tenant, 3)
    outbox = Outbox(history)
    await outbox.published([event.id for event in await outbox.heads("b", 10)])
    assert await outbox.tenants() == ["a", "c"]


async def test_the_end_of_a_job_whose_queue_was_deleted_meanwhile_is_an_event(
    history: History, history_url: str
) -> None:
    [job] = await end_jobs(history, "t", 1, Phase.RUNNING)
    [record] = await Records(history).write([made_record("t", job, Phase.COMPLETED, version=3, kind="")])
    assert record.kind == "analysis"
    assert [owner for owner, _ in written(history_url)] == [str(job)]


async def test_a_job_that_no_tenant_owns_makes_no_event(history: History, history_url: str) -> None:
    await end_jobs(history, "", 1)
    assert written(history_url) == []


@pytest.mark.parametrize("kind", ["redis_url", "redis_cluster_url"])
async def test_a_tenant_reads_its_own_events_and_writes_none(
    history: History, history_url: str, kind: str, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(kind)
    await end_jobs(history, "mine", 2)
    async with publishing(history, url), Progress.connect(url) as admin:
        await admin.set_user("mine", "right")
        await all_published(history_url)
    make: Any = redis.RedisCluster.from_url if "cluster" in url else redis.Redis.from_url
    client: Any = make(url.replace("redis+cluster", "redis"), username=redis_user("mine"), password="right")
    with client:
        assert client.xlen(events_stream("mine")) == 2
        assert client.xread({events_stream("mine"): "0"}, count=10)
        assert len(client.xrevrange(events_stream("mine"), count=1)) == 1
        attempts: list[Callable[[], Any]] = [
            lambda: client.xadd(events_stream("mine"), {"id": "forged"}),
            lambda: client.hset(events_stream("mine"), "a", "b"),
            lambda: client.expire(events_stream("mine"), 1),
            lambda: client.execute_command("DEL", events_stream("mine")),
            lambda: client.execute_command("XTRIM", events_stream("mine"), "MAXLEN", "0"),
            lambda: client.xread({events_stream("theirs"): "0"}),
            lambda: client.xrange(events_stream("theirs")),
        ]
        for forbidden in attempts:
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()


async def _is(condition: bool) -> bool:
    return condition


async def _told(tenant: str, database: str) -> bool:
    """Both events of a tenant are marked: its node took them."""
    with connect(database, autocommit=True) as connection:
        found = connection.execute(
            "select count(*) from outbox where tenant = %s and published_at is not null", (tenant,)
        ).fetchone()
    return found == (2,)

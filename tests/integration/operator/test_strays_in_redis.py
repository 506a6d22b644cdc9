"""What a clean-up removes of Redis, on a real server and on a real Redis Cluster of three nodes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from forge_core.cluster import Cluster
from forge_core.maintenance import Ask, Step
from forge_core.messages import ProgressMessage, ProgressUnavailable
from forge_core.names import redis_user
from forge_core.progress import Progress, StreamEvent
from forge_operator.digests import Kind
from forge_operator.strays import Strays
from tests.builders.operator import make_namespace, make_picture
from tests.services.redis import RedisServer

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=2)
NO_CLUSTER = cast("Cluster", None)


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def progress(request: pytest.FixtureRequest) -> AsyncIterator[Progress]:
    async with Progress.connect(request.getfixturevalue(request.param)) as connected:
        await connected._redis.flushall()  # the cluster serves other tests too
        for tenant in await connected.users():
            await connected.remove_user(tenant)
        yield connected


def strays(progress: Progress, *, ours: bool = True) -> Strays:
    """Of an operator that serves the tenant `here` alone."""
    picture = make_picture([(Kind.NAMESPACE, make_namespace("tenant-here", tenant="here"))])
    return Strays(NO_CLUSTER, progress, picture, redis_is_ours=ours)


async def spoken(progress: Progress, tenant: str, uid: str) -> None:
    """A job of the tenant has said something, and an event of it was told."""
    await progress.report(tenant, ProgressMessage(uid=uid, attempt=1, stage="clone", percent=5, at=NOW))
    await progress.log(tenant, uid, ["a line"])
    await progress.publish_events(tenant, [StreamEvent("1", "analysis.completed", "{}")])


async def left(progress: Progress) -> set[str]:
    return {key.name async for key, _ in progress.all_keys()}


async def persist(progress: Progress, *names: str) -> None:
    """As if a runner had been ended between a write and what gives it an end."""
    for name in names:
        assert await progress._redis.persist(name)


async def swept(progress: Progress, now: datetime, *, dry: bool = False) -> dict[str, int]:
    done = await strays(progress).do(Step.REDIS, Ask(dry_run=dry), now)
    assert (done.after, done.share) == ("", 1)
    return done.counts


async def test_users_of_tenants_that_are_gone_go(progress: Progress) -> None:
    for tenant in ("here", "gone", "gone-too"):
        await progress.set_user(tenant, "password")
    assert await progress.users() == {"here", "gone", "gone-too"}
    assert await swept(progress, NOW, dry=True) == {"strayUsers": 2}
    assert await progress.users() == {"here", "gone", "gone-too"}
    assert await swept(progress, NOW) == {"strayUsers": 2}
    assert await progress.users() == {"here"}
    assert await swept(progress, NOW) == {}


async def test_keys_that_nobody_owns_go_a_day_after_their_last_word_and_no_others(progress: Progress) -> None:
    await spoken(progress, "here", "u1")
    await spoken(progress, "gone", "u2")
    await spoken(progress, "here", "u3")
    await persist(progress, "forge:{here}:job:u3", "forge:{here}:log:u3")
    kept = {f"forge:{{here}}:{rest}" for rest in ("progress", "events", "job:u1", "log:u1")}
    expiring = {f"forge:{{gone}}:{rest}" for rest in ("job:u2", "log:u2")}
    all_of_it = await left(progress)
    assert await swept(progress, NOW) == {}, "nobody has been silent for a day"
    counts = await swept(progress, LATER, dry=True)
    assert counts.pop("strayBytes") > 0
    assert counts == {"strayKeys": 4}
    assert await left(progress) == all_of_it
    assert (await swept(progress, LATER))["strayKeys"] == 4
    assert await left(progress) == kept | expiring
    assert await swept(progress, LATER) == {}


async def test_what_is_not_ours_is_not_touched(progress: Progress) -> None:
    odd = (
        "{gone}:else",
        "{}:progress",
        "{gone}:jobs",
        "{gone:progress",
        "{gone}:progress",
        "{gone}:log:1",
        "{gone}:job:1",
    )
    names = ["else:{gone}:progress", *(f"forge:{each}" for each in odd)]
    for name in names:
        await progress._redis.set(name, "1")
    await each(progress, "ACL SETUSER", "somebody", "on", ">password")
    assert await swept(progress, LATER) == {}
    for name in names:
        assert await progress._redis.exists(name), name
    assert "somebody" in str(await each(progress, "ACL USERS"))
    await each(progress, "ACL DELUSER", "somebody")
    for name in names:
        await progress._redis.delete(name)


async def each(progress: Progress, *command: str) -> list[Any]:
    return await progress._everywhere(*command)


async def test_many_keys_are_walked_through(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge_core.progress.SCANNED_AT_ONCE", 7)
    async with Progress.connect(redis_url) as progress:
        for number in range(100):
            await progress.beat("here", f"u{number}")
        await persist(progress, *(f"forge:{{here}}:job:u{number}" for number in range(0, 100, 2)))
        done = await strays(progress).do(Step.REDIS, Ask(), LATER)
        assert (done.looked_at, done.counts["strayKeys"]) == (100, 50)


async def test_a_redis_that_somebody_else_keeps_is_left_alone(redis_url: str) -> None:
    async with Progress.connect(redis_url) as progress:
        await progress.set_user("gone", "password")
        done = await strays(progress, ours=False).do(Step.REDIS, Ask(), LATER)
        assert (done.counts, done.after) == ({}, "")
        assert redis_user("gone") in str(await each(progress, "ACL USERS"))


async def test_a_redis_that_is_away_is_said_to_be(redis_one: RedisServer) -> None:
    async with Progress.connect(redis_one.url) as progress:
        redis_one.stop()
        with pytest.raises(ProgressUnavailable):
            await strays(progress).do(Step.REDIS, Ask(), NOW)
        redis_one.start()

"""Progress through a real Redis and a real Redis Cluster, as the admin and as a tenant's pod."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from forge_core.messages import ProgressMessage, ProgressUnavailable, TerminalMessage, decode_message
from forge_core.names import job_hash, log_stream, progress_stream, redis_user
from forge_core.phase import Phase
from forge_core.progress import BEGINNING, Progress
from tests.services.redis import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def url(request: pytest.FixtureRequest) -> str:
    value: str = request.getfixturevalue(request.param)
    return value


@pytest.fixture
async def admin(url: str) -> AsyncIterator[Progress]:
    async with Progress.connect(url) as progress:
        yield progress


def progress_message(uid: str = "u-1", percent: float = 42.0) -> ProgressMessage:
    return ProgressMessage(uid=uid, attempt=1, stage="analysing", percent=percent, at=datetime.now(UTC))


async def test_what_a_runner_reports_is_read_back_in_order(admin: Progress) -> None:
    for percent in (15.0, 40.0, 80.0):
        await admin.report("order", progress_message(percent=percent))
    await admin.publish_end("order", TerminalMessage(uid="u-1", phase=Phase.COMPLETED, at=datetime.now(UTC)))
    entries = await admin.read(progress_stream("order"), BEGINNING)
    messages = [decode_message(entry.payload) for entry in entries]
    assert [m.percent for m in messages if isinstance(m, ProgressMessage)] == [15.0, 40.0, 80.0]
    assert isinstance(messages[-1], TerminalMessage)


async def test_reading_after_an_id_gives_only_what_came_later(admin: Progress) -> None:
    await admin.report("resume", progress_message(percent=1))
    (first,) = await admin.read(progress_stream("resume"), BEGINNING)
    assert await admin.read(progress_stream("resume"), first.id, block_ms=10) == []
    await admin.report("resume", progress_message(percent=2))
    (second,) = await admin.read(progress_stream("resume"), first.id)
    assert await admin.bounds(progress_stream("resume")) == (first.id, second.id)


async def test_a_stream_that_is_not_there_has_no_bounds(admin: Progress) -> None:
    assert await admin.bounds(progress_stream("nobody")) == (BEGINNING, BEGINNING)


async def test_snapshots_of_many_jobs_come_in_one_answer(admin: Progress) -> None:
    await admin.report("many", progress_message("u-1", 10))
    await admin.beat("many", "u-2")
    found = await admin.snapshots("many", ["u-1", "u-2", "u-3"])
    assert set(found) == {"u-1", "u-2"}
    assert decode_message(found["u-1"].payload) == decode_message(found["u-1"].payload)
    assert found["u-2"].payload == ""
    assert found["u-2"].heartbeat is not None


async def test_a_log_line_is_cut_and_kept(admin: Progress) -> None:
    await admin.log("logs", "u-1", ["short", "x" * 5000])
    lines = [entry.payload for entry in await admin.read(log_stream("logs", "u-1"), BEGINNING)]
    assert lines[0] == "short"
    assert len(lines[1]) == 2000


async def test_a_tenants_user_writes_its_own_keys_and_no_others(admin: Progress, url: str) -> None:
    await admin.set_user("mine", "s3cret")
    await admin.set_user("mine", "s3cret")
    async with Progress.connect(url, redis_user("mine"), "s3cret") as pod:
        await pod.ping()
        await pod.report("mine", progress_message())
        await pod.beat("mine", "u-1")
        await pod.log("mine", "u-1", ["line"])
        with pytest.raises(ProgressUnavailable, match="NoPermission"):
            await pod.report("theirs", progress_message())
        with pytest.raises(ProgressUnavailable):
            await pod.read(progress_stream("mine"), BEGINNING)


async def test_a_wrong_password_is_redis_being_away(admin: Progress, url: str) -> None:
    await admin.set_user("locked", "right")
    async with Progress.connect(url, redis_user("locked"), "wrong") as pod:
        with pytest.raises(ProgressUnavailable):
            await pod.beat("locked", "u-1")


async def test_a_stopped_redis_is_unavailable_and_used_again_once_it_is_back(redis_one: RedisServer) -> None:
    async with Progress.connect(redis_one.url) as progress:
        await progress.beat("t", "u")
        redis_one.stop()
        with pytest.raises(ProgressUnavailable):
            await progress.beat("t", "u")
        redis_one.start()
        await progress.beat("t", "u")
        assert await progress.snapshots("t", ["u"])


def test_every_key_of_a_tenant_carries_its_hash_tag() -> None:
    assert {key.split("}")[0] for key in (progress_stream("t"), job_hash("t", "u"), log_stream("t", "u"))} == {
        "forge:{t"
    }

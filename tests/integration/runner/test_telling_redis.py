"""What a runner tells a real Redis, and that Redis away never harms its work."""

import asyncio

from forge_core.exits import Exit
from forge_core.messages import MAX_LINE, ProgressMessage, decode_message
from forge_core.names import log_stream, progress_stream, redis_user
from forge_core.progress import BEGINNING, Progress
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.pods import TENANT, UID
from tests.integration.runner.standin import Ledger
from tests.services.redis import RedisServer
from tests.services.waiting import eventually, wait_until

PASSWORD = "a-tenants-password"


async def _messages(url: str) -> list[ProgressMessage]:
    async with Progress.connect(url) as progress:
        entries = await progress.read(progress_stream(TENANT), BEGINNING)
    found = [decode_message(entry.payload) for entry in entries]
    return [message for message in found if isinstance(message, ProgressMessage)]


async def _log(url: str) -> list[str]:
    async with Progress.connect(url) as progress:
        return [entry.payload for entry in await progress.read(log_stream(TENANT, UID), BEGINNING, count=5000)]


def _with_user(url: str) -> dict[str, str]:
    return {"FORGE_REDIS_URL": url, "FORGE_REDIS_USERNAME": redis_user(TENANT), "FORGE_REDIS_PASSWORD": PASSWORD}


async def _set_user(url: str) -> None:
    async with Progress.connect(url) as progress:
        await progress.set_user(TENANT, PASSWORD)


def test_progress_rises_and_its_last_message_is_100_percent_after_the_outcome(pod: PodMaker, redis_url: str) -> None:
    asyncio.run(_set_user(redis_url))
    runner = pod(environment=_with_user(redis_url))
    assert runner.end() == Exit.SUCCEEDED, runner.output
    messages = asyncio.run(_messages(redis_url))
    percents = [message.percent for message in messages]
    assert percents == sorted(percents)
    assert (messages[-1].stage, messages[-1].percent, messages[-1].attempt) == ("done", 100, 1)
    assert messages[-1].uid == UID
    assert "queue analysis" in asyncio.run(_log(redis_url))


def test_a_redis_cluster_is_told_the_same(pod: PodMaker, redis_cluster_url: str) -> None:
    runner = pod(environment={"FORGE_REDIS_URL": redis_cluster_url, "FORGE_REDIS_PASSWORD": ""})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert asyncio.run(_messages(redis_cluster_url))[-1].percent == 100


def test_without_any_redis_the_work_is_done_all_the_same(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(environment={"FORGE_REDIS_URL": "redis://127.0.0.1:1"})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].status == "succeeded"


def test_a_runner_whose_user_redis_has_forgotten_reports_again_once_it_is_set(
    pod: PodMaker, redis_one: RedisServer
) -> None:
    runner = pod(kind="wait_for", config={"file": "go"}, environment=_with_user(redis_one.url))
    wait_until((runner.folder / "work/attempt-1/out").exists, what="the work goes on without Redis")
    asyncio.run(_set_user(redis_one.url))

    async def heartbeat() -> object:
        async with Progress.connect(redis_one.url) as progress:
            return (await progress.snapshots(TENANT, [UID])).get(UID)

    asyncio.run(eventually(heartbeat, what="a heartbeat"))
    redis_one.stop()
    redis_one.start()
    asyncio.run(_set_user(redis_one.url))
    asyncio.run(eventually(heartbeat, what="a heartbeat after Redis was emptied"))
    runner.let_go()
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert asyncio.run(_messages(redis_one.url))[-1].percent == 100


def test_a_flood_of_progress_and_lines_costs_few_messages(pod: PodMaker, redis_url: str) -> None:
    runner = pod(kind="flood", environment={"FORGE_REDIS_URL": redis_url, "FORGE_REDIS_PASSWORD": ""})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    messages = asyncio.run(_messages(redis_url))
    seconds = (messages[-1].at - messages[0].at).total_seconds()
    assert len(messages) <= 4 * seconds + 5
    assert all(len(line) <= MAX_LINE for line in asyncio.run(_log(redis_url)))


def test_what_is_over_before_its_silence_ends_is_told_by_its_outcome_alone(
    pod: PodMaker, redis_url: str, ledger: Ledger
) -> None:
    asyncio.run(_set_user(redis_url))
    runner = pod(environment={**_with_user(redis_url), "FORGE_SILENT": "600"})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].status == "succeeded"
    assert "queue analysis" in ledger.log_of(1)
    assert (asyncio.run(_messages(redis_url)), asyncio.run(_log(redis_url))) == ([], [])


def test_what_lasts_longer_than_its_silence_is_told_from_its_beginning(pod: PodMaker, redis_url: str) -> None:
    asyncio.run(_set_user(redis_url))
    runner = pod(kind="wait_for", config={"file": "go"}, environment={**_with_user(redis_url), "FORGE_SILENT": "0.5"})

    async def told() -> bool:
        return bool(await _messages(redis_url))

    asyncio.run(eventually(told, what="a first message"))
    runner.let_go()
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert asyncio.run(_messages(redis_url))[-1].percent == 100
    assert "attempt 1 of 3" in asyncio.run(_log(redis_url))


def test_a_silent_runner_whose_outcome_cannot_be_stored_tells_why(
    pod: PodMaker, redis_url: str, ledger: Ledger
) -> None:
    asyncio.run(_set_user(redis_url))
    ledger.away = True
    runner = pod(environment={**_with_user(redis_url), "FORGE_SILENT": "600", "FORGE_CLAIM_ALLOWANCE": "0.5"})
    assert runner.end() == Exit.BEFORE_CLAIM, runner.output
    assert any("trying again" in line for line in asyncio.run(_log(redis_url)))

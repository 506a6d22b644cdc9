"""Usage by the hour on a real PostgreSQL: closed once, filled, repeated without effect, and late ends are caught."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from forge_core.history.database import History
from forge_core.history.records import JobRecord, Records
from forge_core.history.usage import HOURS_AT_ONCE, Closing, Usages, Wanted
from forge_core.phase import Phase

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = Wanted(NOON - 30 * 24 * HOUR, NOON + 24 * HOUR)


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    async with History.connect(history_url) as history:
        yield history


async def end(
    history: History, at: datetime, phase: Phase = Phase.COMPLETED, *, seconds: float = 60, **more: Any
) -> None:
    """A job that ended then, after it had run for so long with half a core and 512 MiB."""
    record = JobRecord(
        uid=uuid4(), resource_version=9, tenant="demo", namespace="tenant-demo", name="a", queue="analysis",
        kind="analysis", spec={}, priority=1, phase=phase, created_at=at - HOUR, attempts=1, completed_at=at,
        started_at=at - timedelta(seconds=seconds), cpu_millis=500, memory_mib=512,
    )  # fmt: skip
    await Records(history).write([replace(record, **more)])


async def rows(history: History, statement: str) -> list[tuple[Any, ...]]:
    async with history.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def written(history: History) -> list[tuple[Any, ...]]:
    """Every usage row, with the transaction that wrote it: a row that was not written again has the same."""
    return await rows(history, "select *, xmin from usage order by tenant, queue, hour")


async def close_all(history: History, now: datetime) -> None:
    last = None
    while (done := await Usages(history).close(now, last)).left:
        last = done.last


async def test_an_hour_is_the_sum_of_what_ended_in_it(history: History) -> None:
    await end(history, NOON)
    await end(history, NOON + timedelta(minutes=59, seconds=59), Phase.FAILED, seconds=120, attempts=3)
    await end(history, NOON + timedelta(minutes=30), Phase.CANCELLED, started_at=None, attempts=0)
    await end(history, NOON + timedelta(minutes=30), queue="refactoring")
    await end(history, NOON + timedelta(minutes=30), tenant="other")
    await end(history, NOON + HOUR)
    await close_all(history, NOON + HOUR + timedelta(minutes=5))
    found = await Usages(history).of("demo", ALL)
    first = next(each for each in found if each.queue == "analysis")
    assert (first.hour, first.completed, first.failed, first.cancelled, first.attempts) == (NOON, 1, 1, 1, 4)
    assert (first.run_seconds, first.cpu_seconds, first.memory_gib_seconds) == (180, 90, 90)
    assert [(each.queue, each.completed) for each in found] == [("analysis", 1), ("refactoring", 1)]
    assert [each.completed for each in await Usages(history).of("other", ALL)] == [1]


async def test_an_hour_is_not_closed_before_it_is_over(history: History) -> None:
    await end(history, NOON + timedelta(minutes=1))
    usages = Usages(history)
    await usages.close(NOON + timedelta(minutes=59, seconds=59))
    assert await usages.of("demo", ALL) == []
    closed = await usages.closed_until()
    assert closed is not None
    assert closed <= NOON
    await usages.close(NOON + HOUR)
    assert [each.hour for each in await usages.of("demo", ALL)] == [NOON]
    assert await usages.closed_until() == NOON + HOUR


async def test_running_an_hour_again_changes_nothing(history: History) -> None:
    for minutes in (1, 2, 61, 122):
        await end(history, NOON + timedelta(minutes=minutes))
    now = NOON + 3 * HOUR
    await close_all(history, now)
    before = await written(history)
    assert len(before) == 3
    again = await Usages(history).close(now)
    assert again.hours >= 3
    assert again.changed == 0
    assert await written(history) == before


async def test_gaps_are_filled_in_batches_that_go_on_where_the_last_one_ended(history: History) -> None:
    await end(history, NOON - 100 * HOUR)
    await end(history, NOON - 3 * HOUR)
    usages, last, hours = Usages(history), None, 0
    answers: list[Closing] = []
    while not answers or answers[-1].left:
        answers.append(await usages.close(NOON, last))
        last, hours = answers[-1].last, hours + answers[-1].hours
    assert [each.hours for each in answers] == [HOURS_AT_ONCE, HOURS_AT_ONCE, 100 - 2 * HOURS_AT_ONCE]
    assert [each.hour for each in await usages.of("demo", ALL)] == [NOON - 100 * HOUR, NOON - 3 * HOUR]
    async with history.begin() as connection:
        await connection.execute(text("delete from usage_hours where hour = :hour"), {"hour": NOON - 50 * HOUR})
    assert (await usages.close(NOON)).hours >= 1
    assert await rows(history, "select count(*) from usage_hours") == [(100,)]


async def test_an_end_that_was_recorded_after_its_hour_had_been_closed_is_added(history: History) -> None:
    await end(history, NOON - 70 * HOUR)
    await close_all(history, NOON)
    async with history.begin() as connection:  # that was a day ago
        await connection.execute(text("update usage_hours set computed_at = computed_at - interval '1 day'"))
        await connection.execute(text("update jobs set recorded_at = recorded_at - interval '1 day 1 hour'"))
    assert (await Usages(history).close(NOON)).hours == 3, "only the newest hours, to be sure"
    await end(history, NOON - 70 * HOUR + timedelta(minutes=10))
    assert (await Usages(history).close(NOON)).changed == 1
    assert [each.completed for each in await Usages(history).of("demo", ALL)] == [2]


async def test_an_end_that_the_operator_has_not_recorded_is_not_counted_yet(history: History) -> None:
    await end(history, NOON - HOUR)
    async with history.begin() as connection:
        await connection.execute(text("update jobs set recorded_at = null"))
    await close_all(history, NOON)
    assert await Usages(history).of("demo", ALL) == []
    async with history.begin() as connection:
        await connection.execute(text("update jobs set recorded_at = now()"))
    await close_all(history, NOON)
    assert [each.completed for each in await Usages(history).of("demo", ALL)] == [1]


async def test_an_empty_history_has_no_hours_before_the_last(history: History) -> None:
    closing = await Usages(history).close(NOON)
    assert (closing.hours, closing.left) == (1, 0)
    assert await Usages(history).closed_until() == NOON


async def test_usage_is_asked_for_by_time_and_queue(history: History) -> None:
    for hours in (1, 2, 3):
        await end(history, NOON - hours * HOUR)
        await end(history, NOON - hours * HOUR, queue="webhooks")
    await close_all(history, NOON)
    found = await Usages(history).of("demo", Wanted(NOON - 2 * HOUR, NOON, "webhooks"))
    assert [(each.hour, each.queue) for each in found] == [(NOON - 2 * HOUR, "webhooks"), (NOON - HOUR, "webhooks")]

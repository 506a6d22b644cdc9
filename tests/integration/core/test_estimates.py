"""What a queue's jobs take, from the rows of a real PostgreSQL."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from forge_api.estimating import ADR_SECONDS, Estimating
from forge_core.history.database import History
from forge_core.history.estimates import LOOKED_AT, Estimates

pytestmark = pytest.mark.anyio
ROW = """
    insert into jobs (id, resource_version, tenant, namespace, name, queue, submitted, repository_id, requested_by,
        spec, priority, phase, stage, progress, attempts, message, reason, failure_class, created_at, completed_at,
        cancelled_by)
    values (%s, 1, 'a', 'a', 'a', %s, false, '', '', '{}', 1, %s, '', 0, 0, '', '', '', %s, %s, '')
"""


def finished(
    url: str, seconds: Sequence[float], *, queue: str = "analysis", phase: str = "Completed", ago: float = 60
) -> None:
    """Jobs that ended one after another, the first `ago` seconds from now."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number, took in enumerate(seconds):
            end = datetime.now(UTC) - timedelta(seconds=ago + number)
            connection.execute(ROW, (uuid.uuid4(), queue, phase, end - timedelta(seconds=took), end))


async def test_four_in_five_of_the_last_twenty_took_no_longer(history_url: str) -> None:
    async with History.connect(history_url) as history:
        estimates = Estimates(history)
        finished(history_url, range(1, 20))
        finished(history_url, [9999.0] * 30, phase="Failed")
        finished(history_url, [9999.0] * 30, queue="other")
        finished(history_url, [9999.0] * 30, ago=8 * 24 * 3600)
        assert await estimates.taken("analysis") is None
        finished(history_url, [20.0])
        taken = await estimates.taken("analysis")
        assert taken is not None
        assert taken.count == 20
        assert taken.seconds == pytest.approx(16.2, abs=0.01)
        assert await estimates.taken("nothing' or true --") is None


async def test_only_the_newest_count_and_the_index_serves_them(history_url: str) -> None:
    async with History.connect(history_url) as history:
        finished(history_url, [1000.0] * 50, ago=1000)
        finished(history_url, [10.0] * LOOKED_AT)
        taken = await Estimates(history).taken("analysis")
        assert taken is not None
        assert taken.count == LOOKED_AT
        assert taken.seconds == pytest.approx(10, abs=0.01)
    with psycopg.connect(history_url) as connection:
        connection.execute("analyze jobs")
        connection.execute("set enable_seqscan = off")
        plan = connection.execute(
            "explain select completed_at - created_at from jobs where queue = 'analysis' and phase = 'Completed'"
            " and completed_at > now() - interval '7 days' order by completed_at desc limit 200"
        ).fetchall()
    assert "jobs_completed" in str(plan)
    assert "Sort" not in str(plan)


async def test_the_api_says_300_until_there_is_a_history_and_asks_for_it_once_in_a_while(history_url: str) -> None:
    async with History.connect(history_url) as history:
        estimating = Estimating(Estimates(history))
        assert await estimating.seconds("analysis") == ADR_SECONDS == 300
        finished(history_url, [0.4] * 20)
        assert await estimating.seconds("analysis") == 300, "kept for some seconds"
        assert await Estimating(Estimates(history)).seconds("analysis") == 1


async def test_without_postgresql_the_constant_is_told() -> None:
    async with History.connect("postgresql://nobody@127.0.0.1:1/none") as history:
        assert await Estimating(Estimates(history)).seconds("analysis") == 300

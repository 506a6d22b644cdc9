"""How long jobs of a queue take from their submission to their end, from the rows of those that completed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from forge_core.history.database import History

NEEDED: Final = 20
"""Completed jobs of a queue before its history is believed."""
LOOKED_AT: Final = 200
LOOKED_BACK: Final = timedelta(days=7)

# The newest alone, by the index `jobs_completed`: the query's cost does not grow with the history.
_SECONDS: Final = text("""
    select count(*), percentile_cont(0.8) within group (order by seconds) from (
        select greatest(extract(epoch from completed_at - created_at), 0) as seconds from jobs
        where queue = :queue and phase = 'Completed' and completed_at > now() - cast(:back as interval)
        order by completed_at desc limit :most) as newest
""")


@dataclass(frozen=True)
class Taken:
    """Of `count` jobs looked at, four in five took at most `seconds` from submission to end, their waiting included."""

    count: int
    seconds: float


class Estimates:
    """Raises HistoryUnavailable while PostgreSQL is away."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def taken(self, queue: str) -> Taken | None:
        """What the last completed jobs of a queue took; None while they are too few."""
        asked = {"queue": queue, "back": LOOKED_BACK, "most": LOOKED_AT}
        async with self._history.begin() as connection:
            count, seconds = (await connection.execute(_SECONDS, asked)).one()
        return Taken(count, float(seconds)) if count >= NEEDED else None

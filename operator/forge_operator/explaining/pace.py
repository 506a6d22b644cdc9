"""How long a queue's jobs hold their slots, from those that ended lately and are still in the cluster."""

from dataclasses import dataclass
from heapq import nlargest
from statistics import median
from typing import Final

from forge_core.durations import format_duration
from forge_core.phase import Phase
from forge_operator.picture import Picture

LOOKED_AT: Final = 100
NEEDED: Final = 5


@dataclass(frozen=True)
class Pace:
    """Seconds from admission to the end, sorted; of a queue's last jobs that completed or failed."""

    queue: str
    seconds: tuple[float, ...]

    @property
    def typical(self) -> float | None:
        """Their median, None while they are too few to say anything."""
        return median(self.seconds) if len(self.seconds) >= NEEDED else None

    def left(self, elapsed: float) -> float:
        """How long a job that has held its slot for `elapsed` will still hold it: as those did that took longer."""
        longer = [took - elapsed for took in self.seconds if took > elapsed]
        return median(longer) if longer else (self.typical or 0.0)

    def words(self) -> str:
        """What an estimate rests on, or why there is none."""
        if self.typical is None:
            few = f"only {len(self.seconds)} jobs of queue {self.queue} have ended lately, {NEEDED} are needed"
            return f"unknown: {few}"
        return (
            f"the last {len(self.seconds)} jobs of queue {self.queue} held a slot for {format_duration(self.typical)}"
            " (median); more urgent jobs may come between"
        )


def pace_of(picture: Picture, queue: str) -> Pace:
    """The pace of a queue."""
    ended = (
        (job.status.completed_at, (job.status.completed_at - job.status.admitted_at).total_seconds())
        for job in picture.analysis_jobs.values()
        if job.queue == queue
        and job.status.phase in {Phase.COMPLETED, Phase.FAILED}
        and job.status.completed_at is not None
        and job.status.admitted_at is not None
    )
    return Pace(queue, tuple(sorted(max(took, 0.0) for _, took in nlargest(LOOKED_AT, ended))))

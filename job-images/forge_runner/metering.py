"""Progress of one stage of a kind's work, from parts of it as they are done."""

import threading
from dataclasses import dataclass

from forge_runner.report import Report


@dataclass(frozen=True)
class Stage:
    """A stage's name, and the percentages of the attempt that it spans."""

    name: str
    start: float
    end: float


class Meter:
    """Counts parts as they are done in one stage; `total` is how many will be. `parts` is what they are called."""

    def __init__(self, report: Report, stage: Stage, total: int, parts: str = "files") -> None:
        self._report = report
        self._stage = stage
        self._total = total
        self._parts = parts
        self._what = ""
        self._done = 0
        self._lock = threading.Lock()

    def begin(self, what: str) -> None:
        """Say what is done from now on."""
        self._what = what

    def done(self, parts: int = 1) -> None:
        """So many more are done."""
        with self._lock:  # the report too, so that percentages never go back
            self._done += parts
            share = min(1.0, self._done / self._total) if self._total else 1.0
            percent = self._stage.start + (self._stage.end - self._stage.start) * share
            text = f"{self._what}{': ' if self._what else ''}{self._done:,} of {self._total:,} {self._parts}"
            self._report.progress(self._stage.name, percent, text)

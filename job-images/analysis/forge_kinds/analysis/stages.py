"""The stages of an analysis and the percentages they span (ADR-006); each percentage comes from work that is done."""

import threading
from typing import Final

from forge_kinds.analysis.inventory import SourceFile
from forge_runner.report import Report

ANALYSING: Final = "analysing"
RECOMMENDING: Final = "recommending"
_SPANS: Final = {ANALYSING: (15.0, 80.0), RECOMMENDING: (80.0, 95.0)}

Span = tuple[float, float]
"""From one share (0-1) of a stage to another."""
WHOLE: Final[Span] = (0.0, 1.0)


def at(report: Report, stage: str, share: float, message: str) -> None:
    """Report that `share` (0-1) of a stage is done."""
    start, end = _SPANS[stage]
    report.progress(stage, start + (end - start) * min(1.0, share), message)


def work_of(file: SourceFile) -> float:
    """How much work a file is, roughly, in bytes: even an empty one has to be opened by each tool."""
    return file.size + 500.0


class Meter:
    """Adds up the work done on files by several tools at once, and says how many files all of them have finished."""

    def __init__(self, report: Report, passes: dict[str, int], span: Span = WHOLE) -> None:
        self._report = report
        self._span = span
        self._left = dict(passes)
        self._work = 0.0
        self._done = 0.0
        self._finished = 0
        self._lock = threading.Lock()

    def expect(self, work: float) -> None:
        """Add to the whole."""
        self._work += work

    def done(self, file: SourceFile, share: float) -> None:
        """One tool has finished a file; `share` of its work was that tool's."""
        with self._lock:
            self._done += work_of(file) * share
            self._left[file.path] -= 1
            self._finished += self._left[file.path] == 0
            # The report is made inside the lock, so that percentages never go back.
            done = self._done / self._work if self._work else 1.0
            start, end = self._span
            at(
                self._report,
                ANALYSING,
                start + (end - start) * min(1.0, done),
                f"{self._finished:,} of {len(self._left):,} files",
            )

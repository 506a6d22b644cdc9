"""The stages of a refactoring and the percentages they span; each percentage comes from files that are done."""

import threading
from typing import Final

from forge_runner.report import Report

READING: Final = "reading"
CHANGING: Final = "changing"
VERIFYING: Final = "verifying"
PATCHING: Final = "patching"
_SPANS: Final = {
    READING: (10.0, 30.0),
    CHANGING: (30.0, 80.0),
    VERIFYING: (80.0, 90.0),
    PATCHING: (90.0, 95.0),
}


class Meter:
    """Counts files as they are done in one stage; `files` is how many will be, over all operations of the stage."""

    def __init__(self, report: Report, stage: str, files: int, what: str = "") -> None:
        self._report = report
        self._stage = stage
        self._files = files
        self._what = what
        self._done = 0
        self._lock = threading.Lock()

    def begin(self, what: str) -> None:
        """Say what is done from now on."""
        self._what = what

    def done(self, files: int = 1) -> None:
        """So many more files are done."""
        with self._lock:  # the report too, so that percentages never go back
            self._done += files
            start, end = _SPANS[self._stage]
            share = min(1.0, self._done / self._files) if self._files else 1.0
            text = f"{self._what}{': ' if self._what else ''}{self._done:,} of {self._files:,} files"
            self._report.progress(self._stage, start + (end - start) * share, text)

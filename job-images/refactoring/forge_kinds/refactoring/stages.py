"""The stages of a refactoring and the percentages they span; each percentage comes from work that is done."""

import threading
from typing import Final

from forge_runner.report import Report

READING: Final = "reading"
CHANGING: Final = "changing"
VERIFYING: Final = "verifying"
TESTING: Final = "testing"
PATCHING: Final = "patching"
_SPANS: Final = {
    READING: (10.0, 30.0),
    CHANGING: (30.0, 80.0),
    VERIFYING: (80.0, 85.0),
    TESTING: (85.0, 93.0),
    PATCHING: (93.0, 95.0),
}


class Meter:
    """Counts files as they are done in one stage; `files` is how many will be, over all operations of the stage.

    `parts` is what they are called, where they are no files.
    """

    def __init__(self, report: Report, stage: str, files: int, parts: str = "files") -> None:
        self._report = report
        self._stage = stage
        self._files = files
        self._parts = parts
        self._what = ""
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
            text = f"{self._what}{': ' if self._what else ''}{self._done:,} of {self._files:,} {self._parts}"
            self._report.progress(self._stage, start + (end - start) * share, text)

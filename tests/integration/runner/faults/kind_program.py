"""A real kind in the runner's child process, which passes by a gate at each stage and once its work is done."""

import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forge_runner.child import main
from forge_runner.kinds import KINDS, Kind, Result
from forge_runner.report import Report
from tests.integration.runner.faults.gate import EAT, THE_END, pass_by

if TYPE_CHECKING:
    from forge_core.assignment import Assignment

MEBIBYTE = 1024 * 1024


class OnItsWay:
    """The report, and the gate at each new stage."""

    def __init__(self, report: Report, port: int) -> None:
        self._report = report
        self._port = port
        self._lock = threading.Lock()
        self._stages: set[str] = set()

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        self._report.progress(stage, percent, message)
        with self._lock:
            new = stage not in self._stages
            self._stages.add(stage)
        if new and pass_by(self._port, stage) == EAT:
            eaten = []
            while True:
                eaten.append(b"x" * MEBIBYTE)

    def log(self, line: str) -> None:
        self._report.log(line)


def work(port: int, kind: str, assignment: "Assignment", workdir: Path, report: Report) -> Result:
    result = KINDS[kind](assignment, workdir, OnItsWay(report, port))
    pass_by(port, THE_END)
    return result


def kinds(port: int) -> dict[str, Kind]:
    """All kinds, whose gate is at `port`."""
    return {kind: partial(work, port, kind) for kind in KINDS}


if __name__ == "__main__":
    main(kinds(int(sys.argv.pop(1))))

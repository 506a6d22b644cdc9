"""Runs inside the runner's image: one analysis of the repository at argv[1]; prints its seconds and memory as JSON.

Not the runner's own way in, which needs the API and Redis: the kind itself, as the runner calls it.
"""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from forge_core.assignment import Assignment, Repository
from forge_runner.kinds import KINDS


class _Quiet:
    def progress(self, stage: str, percent: float, message: str = "") -> None: ...

    def log(self, line: str) -> None:
        print(line, file=sys.stderr)


class _Memory(threading.Thread):
    """The highest sum of all processes' resident memory, looked at 20 times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, sum(map(_resident, Path("/proc").glob("[0-9]*/statm"))))
            time.sleep(0.05)


def _resident(statm: Path) -> int:
    try:
        return int(statm.read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


def main() -> None:
    """Analyse, print."""
    memory = _Memory()
    memory.start()
    assignment = Assignment(
        uid="bench", name="bench", tenant="bench", queue="analysis", kind="analysis", attempts=1, timeout=900,
        repository=Repository(url=sys.argv[1]), allowed_hosts=("127.0.0.1",),
    )  # fmt: skip
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/work") as workdir:
        result = KINDS["analysis"](assignment, Path(workdir), _Quiet())
    seconds = time.perf_counter() - begun
    summary = result.summary
    found = {
        "score": summary["score"]["value"],
        "code_lines": summary["codeLines"],
        "findings": summary["findings"]["total"],
    }
    print(json.dumps({"seconds": round(seconds, 2), "rss_mb": round(memory.peak / 1e6), **found}))


if __name__ == "__main__":
    main()

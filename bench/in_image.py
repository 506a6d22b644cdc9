"""Runs inside the runner's image: analyses of the repository at argv[1], prints seconds and memory as JSON.

One of its branch `main`, knowing nothing; then one of the branch `edited`, knowing what the first one kept; and one
that knows nothing of `edited`, for comparison.

Not the runner's own way in, which needs the API and Redis: the kind itself, as the runner calls it.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from forge_core.assignment import Assignment, Repository
from forge_core.names import CACHE_PATH_ENV
from forge_runner.kinds import KINDS, Result


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


def looked(ref: str, cache: bytes | None = None) -> tuple[float, float, Result]:
    """One analysis: its seconds by the clock, those of CPU (its children's too), and what it brought."""
    assignment = Assignment(
        uid="bench", name="bench", tenant="bench", queue="analysis", kind="analysis", attempts=1, timeout=900,
        repository=Repository(url=sys.argv[1], ref=ref), allowed_hosts=("127.0.0.1",),
    )  # fmt: skip
    begun, used = time.perf_counter(), _cpu()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as workdir:
        kept = Path(workdir) / "kept"
        os.environ.pop(CACHE_PATH_ENV, None)
        if cache is not None:
            kept.write_bytes(cache)
            os.environ[CACHE_PATH_ENV] = str(kept)
        result = KINDS["analysis"](assignment, Path(workdir), _Quiet())
    return time.perf_counter() - begun, _cpu() - used, result


def _cpu() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Analyse, print."""
    memory = _Memory()
    memory.start()
    seconds, cpu, result = looked("main")
    rss = memory.peak
    second, second_cpu, edited = looked("edited", result.cache)
    _, _, anew = looked("edited")
    summary = result.summary
    found = {
        "score": summary["score"]["value"],
        "code_lines": summary["codeLines"],
        "findings": summary["findings"]["total"],
    }
    figures = {
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu, 2),
        "second_look_s": round(second, 2),
        "second_look_cpu_s": round(second_cpu, 2),
        "second_look_same": (edited.summary, edited.artifacts) == (anew.summary, anew.artifacts),
        "cache_kb": round(len(result.cache or b"") / 1000),
        "rss_mb": round(rss / 1e6),
        "rss_second_mb": round(memory.peak / 1e6),
    }
    print(json.dumps({**figures, **found}))


if __name__ == "__main__":
    main()

"""`make bench-refactoring`: each operation on three real repositories, as the runner calls it, one after the other.

Each runs in a process group of its own, whose resident memory is summed up 20 times a second: what a pod would need.
The repositories are source distributions, committed locally; nothing of them is run by a refactoring.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.calibration import calibration_s
from forge_core.assignment import Assignment, Repository
from forge_kinds.refactoring import refactor
from forge_runner.report import Permanent
from forge_runner.workspace.checkout import Options

ROOT: Final = Path(__file__).parent.parent
MAX_SECONDS: Final = 600
RULES: Final = ["SIM", "PIE", "C4", "PERF", "RET"]
REPOSITORIES: Final = {
    "celery-5.5.3": ("celery.utils.text.indent", "indented"),
    "sphinx-9.0.4": ("sphinx.util.osutil.ensuredir", "make_sure_of_folder"),
    "networkx-3.5": ("networkx.utils.misc.flatten", "flattened"),
}
"""Name and version -> a symbol that much of it uses, and a new name."""


class _Quiet:
    def progress(self, stage: str, percent: float, message: str = "") -> None: ...

    def log(self, line: str) -> None:
        print(line, file=sys.stderr)


def operations(symbol: str, to: str) -> dict[str, dict[str, Any]]:
    """Each alone, and all in one job."""
    alone: dict[str, dict[str, Any]] = {
        "rename": {"rename": {"symbol": symbol, "to": to}},
        "extract": {"extract": {"over": 15}},
        "modernize": {"modernize": "3.11"},
        "fix": {"fix": RULES},
        "imports": {"imports": ["sort", "remove-unused"]},
    }
    return {**alone, "all": {key: value for config in alone.values() for key, value in config.items()}}


def one(url: str, config: str) -> None:
    """In the measured process: one refactoring; prints the figures of its summary."""
    assignment = Assignment(
        uid="bench", name="bench", tenant="bench", queue="refactoring", kind="refactoring", attempts=1, timeout=1800,
        repository=Repository(url=url), config=json.loads(config),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as workdir:
        try:
            summary = refactor(assignment, Path(workdir), _Quiet(), Options(allow_file=True)).summary
        except Permanent as refused:
            print(json.dumps({"refused": str(refused)}))
            return
    found = {
        "files": summary["files"]["looked"],
        "changed": summary["files"]["changed"],
        "changes": summary["changes"]["total"],
        "dropped": summary["dropped"]["total"],
        "findings": [summary["findings"]["before"], summary["findings"]["after"]],
        "hard": [summary["complexity"]["before"]["hard"], summary["complexity"]["after"]["hard"]],
        "patch_kb": round(summary["patch"].get("bytes", 0) / 1000),
    }
    print(json.dumps(found))


def measured(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Seconds and highest memory of one refactoring, beside its figures."""
    command = [sys.executable, "-m", "bench.refactoring", f"file://{folder}", json.dumps(config)]
    begun, peak = time.perf_counter(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as child:
        while child.poll() is None:
            peak = max(peak, sum(_resident(stat, child.pid) for stat in Path("/proc").glob("[0-9]*/stat")))
            time.sleep(0.05)
        printed = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(f"the refactoring ended with {child.returncode}")
    seconds = round(time.perf_counter() - begun, 1)
    return {"seconds": seconds, "rss_mb": round(peak / 1e6), **json.loads(printed.splitlines()[-1])}


def _resident(stat: Path, group: int) -> int:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if int(fields[2]) == group else 0


def repository(name: str) -> Path:
    """The source distribution as a repository."""
    script = ROOT / "local-cluster/sdist.sh"
    done = subprocess.run([script, *name.rsplit("-", 1)], check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def main() -> None:
    """Measure all, print one JSON object as the last line."""
    result: dict[str, Any] = {}
    for name, symbol in REPOSITORIES.items():
        folder = repository(name)
        for operation, config in operations(*symbol).items():
            result[f"{name} {operation}"] = figures = measured(folder, config)
            print(f"{name} {operation}: {json.dumps(figures)}", file=sys.stderr)
    slowest = max(result.values(), key=lambda figures: float(figures["seconds"]))
    sphinx = repository("sphinx-9.0.4")
    print(
        json.dumps(
            {
                **result,
                "slowest_s": slowest["seconds"],
                "rss_mb": max(figures["rss_mb"] for figures in result.values()),
                "calibration_s": calibration_s(sphinx),
                "load": round(os.getloadavg()[0], 1),
                "within": slowest["seconds"] <= MAX_SECONDS,
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(sys.argv[1], sys.argv[2])
    else:
        main()

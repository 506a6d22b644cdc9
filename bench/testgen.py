"""`make bench-test-generation`: test generations for real packages, as the runner calls the kind, one after the other.

The sandbox is the real program as a process of this machine (needs root), without the limits of a container. The
packages are source distributions, committed locally. Of the runner's child and of all that the sandbox runs, memory is
summed up ten times a second; processor time is what the kernel counted. Named packages alone:
make bench-test-generation ONLY="boltons-25.0.0".
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bench.calibration import calibration_s
from bench.footprint import cpu_seconds, family
from bench.pods import ROOT, source_distribution
from forge_core.assignment import Assignment, Repository, Sandbox
from forge_kinds.test_generation import generate
from forge_runner.report import Permanent
from forge_runner.workspace.checkout import Options
from tests.services.sandbox import UID, SandboxServer, sandbox_server

MAX_MINUTES: Final = 10
VOLUME_MEBIBYTES: Final = 512
CONFIG: Final[dict[str, Any]] = {"budget": "6m"}
PACKAGES: Final = ("isodate-0.7.2", "sortedcontainers-2.4.0", "boltons-25.0.0")


class _Said:
    def progress(self, stage: str, percent: float, message: str = "") -> None:
        print(f"{percent:5.1f} {stage} {message}", file=sys.stderr)

    def log(self, line: str) -> None:
        print(line, file=sys.stderr)


def one(url: str, config: str, volume: str) -> None:
    """In the measured process: one job; prints the figures of its summary. WORK may name a folder for its files."""
    assignment = Assignment(
        uid="bench", name="bench", tenant="bench", queue="test-generation", kind="test-generation", attempts=1,
        timeout=1800, repository=Repository(url=url), config=json.loads(config), sandbox=Sandbox(),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as workdir:
        try:
            result = generate(assignment, Path(workdir), _Said(), Options(allow_file=True), Path(volume))
        except Permanent as refused:
            print(json.dumps({"refused": str(refused)}))
            return
    if kept := os.environ.get("WORK"):
        folder = Path(kept) / Path(url).name
        folder.mkdir(parents=True, exist_ok=True)
        for artifact in result.artifacts:
            (folder / artifact.name).write_bytes(artifact.body)
    summary = result.summary
    print(
        json.dumps(
            {
                "message": summary["message"],
                "lines": [summary["coverage"][when]["lines"]["percent"] for when in ("before", "after")],
                "branches": [summary["coverage"][when]["branches"]["percent"] for when in ("before", "after")],
                "gain": summary["gain"],
                "kept": summary["tests"]["kept"],
                "by_kind": summary["tests"]["byKind"],
                "dropped": summary["dropped"]["byWhy"],
                "verified": summary["verified"],
                "modules": summary["modules"],
            }
        )
    )


def measured(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Minutes, memory and processor time of one job, beside its figures."""
    with sandbox_server(mebibytes=VOLUME_MEBIBYTES) as server:
        command = [sys.executable, "-m", "bench.testgen", f"file://{folder}", json.dumps(config), str(server.volume)]
        begun, before, runner, sandbox = time.perf_counter(), _children_cpu(), 0, 0
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as child:
            while child.poll() is None:
                runner = max(runner, sum(_resident(stat) for stat in _of_group(child.pid)))
                sandbox = max(sandbox, sum(_resident(stat) for stat in _of_sandbox()) + _used(server.volume))
                time.sleep(0.1)
            printed = child.stdout.read() if child.stdout else ""
        if child.returncode:
            raise SystemExit(f"the generation ended with {child.returncode}")
        seconds = time.perf_counter() - begun
        used = {"sandbox_cpu_s": _sandbox_cpu(server), "runner_cpu_s": round(_children_cpu() - before)}
    return {
        "minutes": round(seconds / 60, 1), "runner_mb": round(runner / 1e6), "sandbox_mb": round(sandbox / 1e6), **used,
        **json.loads(printed.splitlines()[-1]),
    }  # fmt: skip


def _stats() -> Iterator[tuple[Path, list[str]]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            yield stat, stat.read_text().rpartition(")")[2].split()


def _of_group(group: int) -> Iterator[list[str]]:
    return (fields for _stat, fields in _stats() if int(fields[2]) == group)


def _of_sandbox() -> Iterator[list[str]]:
    for stat, fields in _stats():
        with suppress(OSError):
            if stat.stat().st_uid == UID:
                yield fields


def _resident(fields: list[str]) -> int:
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _used(volume: Path) -> int:
    about = os.statvfs(volume)
    return (about.f_blocks - about.f_bfree) * about.f_frsize


def _sandbox_cpu(server: SandboxServer) -> int:
    """Seconds of the first process and of all that it has buried."""
    _namespace, first, *_ = family(server.process.pid)
    return round(cpu_seconds(first))


def _children_cpu() -> float:
    """Seconds of our own children that have ended."""
    now = os.times()
    return now.children_user + now.children_system


def main() -> None:
    """Measure all that are wanted, print one JSON object as the last line."""
    wanted = sys.argv[1:] or PACKAGES
    result: dict[str, Any] = {}
    for name in wanted:
        result[name] = measured(source_distribution(name), CONFIG)
        print(f"{name}: {json.dumps(result[name])}", file=sys.stderr)
    slowest = max(figures["minutes"] for figures in result.values())
    print(
        json.dumps(
            {
                **result,
                "slowest_min": slowest,
                "runner_mb": max(figures["runner_mb"] for figures in result.values()),
                "sandbox_mb": max(figures["sandbox_mb"] for figures in result.values()),
                "calibration_s": calibration_s(),
                "load": round(os.getloadavg()[0], 1),
                "within": slowest <= MAX_MINUTES and all("refused" not in each for each in result.values()),
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1].startswith("file://"):
        one(*sys.argv[1:])
    else:
        main()

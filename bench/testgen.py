"""`make bench-test-generation`: tests made for real packages, one after the other.

Each is done by the real runner as its pod starts it, beside the real sandbox program (needs root), without a
container's limits. The packages are source distributions, committed locally. Named packages alone:
make bench-test-generation ONLY="boltons-25.0.0".
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from bench.calibration import calibration_s
from bench.pods import Ended, Services, source_distribution

MAX_SECONDS: Final = 600
"""The queue's SLA."""
CONFIG: Final[dict[str, Any]] = {"budget": "6m"}
PACKAGES: Final = ("isodate-0.7.2", "sortedcontainers-2.4.0", "boltons-25.0.0")


def figures(ended: Ended) -> dict[str, Any]:
    """What was gained, and what it took."""
    summary = ended.summary
    coverage = {
        part: [summary["coverage"][moment][part]["percent"] for moment in ("before", "after")]
        for part in ("lines", "branches")
    }
    return {
        **ended.used,
        "sandbox": ended.sandbox,
        "stages": dict(ended.stages),
        "message": summary["message"],
        **coverage,
        "gain": summary["gain"],
        "kept": summary["tests"]["kept"],
        "by_kind": summary["tests"]["byKind"],
        "dropped": summary["dropped"]["byWhy"],
        "verified": summary["verified"],
        "modules": summary["modules"],
    }


def keep(folder: Path, ended: Ended) -> None:
    """Write what it made, to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in ended.artifacts.items():
        (folder / name).write_bytes(body)


def main() -> None:
    """Measure all that are wanted, print one JSON object as the last line. WORK may name a folder for what is made."""
    wanted = sys.argv[1:] or PACKAGES
    result: dict[str, Any] = {}
    with Services.up() as services:
        for name in wanted:
            ended = services.ran_with_sandbox("test-generation", CONFIG, source_distribution(name))
            result[name] = figures(ended)
            if work := os.environ.get("WORK"):
                keep(Path(work) / name, ended)
            print(f"{name}: {json.dumps(result[name])}", file=sys.stderr, flush=True)
    last = {
        "slowest_s": max(each["seconds"] for each in result.values()),
        "rss_mb": max(each["rss_mb"] for each in result.values()),
        "sandbox_mb": max(each["sandbox"]["rss_mb"] for each in result.values()),
        "calibration_s": calibration_s(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps({**result, **last, "within": last["slowest_s"] <= MAX_SECONDS}))


if __name__ == "__main__":
    main()

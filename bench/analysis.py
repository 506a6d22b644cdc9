"""`make bench-analysis`: the demo's repository in the runner's image on one CPU, against pylint alone on one CPU.

The repository comes over HTTP from a real git server on this machine. Each side runs by itself, one after the other.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import yaml

from bench.calibration import calibration_s
from tests.integration.workspace.servers import GitServer

ROOT: Final = Path(__file__).parent.parent
TRIES: Final = 2
MAX_SECONDS, MAX_RSS_MB = 15, 500


def repository() -> Path:
    """The demo's repository, made (and served in the cluster) by the demo's own script."""
    subprocess.run([ROOT / "local-cluster/demo_repository.sh"], check=True, stdout=subprocess.DEVNULL)
    cache = os.environ.get("FORGE_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'}/forge-jobs"
    [found] = Path(cache, "repositories").glob("sphinx-*")
    return found


def image() -> str:
    """The analysis runner's image, as `make images` built it."""
    built = yaml.safe_load((ROOT / ".local/images.yaml").read_text())
    return str(built["images"]["runners"]["analysis"])


def analysed(folder: Path) -> dict[str, Any]:
    """One analysis in the image, limited to one CPU as a pod of the queue's small class is."""
    script = ROOT / "bench/in_image.py"
    with GitServer.serving(folder.parent) as server:
        command = [
            "docker", "run", "--rm", "--network", "host", "--cpus", "1", "--memory", "1g", "--read-only",
            "--tmpfs", "/tmp:size=256m", "--tmpfs", "/work:size=512m,uid=10001,exec", "--workdir", "/work",
            "--volume", f"{script}:/bench/in_image.py:ro", "--entrypoint", "python", image(),
            "/bench/in_image.py", server.url(f"{folder.name}/.git"),
        ]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def pylint_s(folder: Path) -> float:
    """Seconds of pylint alone over the same files on one CPU, obeying no configuration either."""
    files = sorted(str(path) for path in folder.rglob("*.py"))
    with tempfile.TemporaryDirectory() as place:
        uv = shutil.which("uv") or next(str(each) for each in sorted(folder.parent.parent.glob("uv-*/bin/uv")))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", f"{place}/bin/python", "pylint"], check=True)
        cpu = str(min(os.sched_getaffinity(0)))
        begun = time.perf_counter()
        command = [
            "taskset",
            "--cpu-list",
            cpu,
            f"{place}/bin/pylint",
            "--jobs=1",
            "--rcfile=/dev/null",
            "--persistent=n",
        ]
        subprocess.run(
            [*command, "--exit-zero", *files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        return time.perf_counter() - begun


def main() -> None:
    """Measure both, print one JSON object as the last line."""
    folder = repository()
    calibration = calibration_s(folder)
    runs = [analysed(folder) for _ in range(TRIES)]
    best = min(runs, key=lambda run: float(run["seconds"]))
    print(f"analysis: {[run['seconds'] for run in runs]} s; now pylint, alone", file=sys.stderr)
    pylint = pylint_s(folder)
    rss = max(run["rss_mb"] for run in runs)
    result = {
        **best,
        "rss_mb": rss,
        "vs_pylint": round(pylint / best["seconds"], 1),
        "pylint_s": round(pylint, 1),
        "calibration_s": calibration,
        "load": round(os.getloadavg()[0], 1),
        "within": best["seconds"] <= MAX_SECONDS and rss < MAX_RSS_MB,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

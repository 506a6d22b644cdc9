"""`make bench-analysis`: the demo's repository in the runner's image on one CPU, against pylint alone on one CPU.

Twice: a first look, and a second one after a change of one file, with what the first one kept.

The repository comes over HTTP from a real git server on this machine. Each side runs by itself, one after the other.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from bench.calibration import calibration_s
from tests.integration.workspace.servers import GitServer

ROOT: Final = Path(__file__).parent.parent
TRIES: Final = 2
MAX_SECONDS, MAX_SECOND_LOOK, MAX_RSS_MB = 15, 3, 500
RELEASE: Final = ("sphinx", "9.0.4")
EDITED: Final = "sphinx/application.py"


def repository() -> Path:
    """The newer release of the demo's repository."""
    script = [str(ROOT / "local-cluster/sdist.sh"), *RELEASE]
    return Path(subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def image() -> str:
    """The analysis runner's image, as `make images` built it."""
    built = yaml.safe_load((ROOT / ".local/images.yaml").read_text())
    return str(built["images"]["runners"]["analysis"])


@contextmanager
def edited(folder: Path) -> Iterator[Path]:
    """A copy of the repository with the branches `main`, as it is, and `edited`, in which one file was changed."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / folder.name

        def git(*arguments: str) -> None:
            as_somebody = ("-c", "user.name=bench", "-c", "user.email=bench@bench.example")
            subprocess.run(["git", "-C", str(copy), *as_somebody, *arguments], check=True, stdout=subprocess.DEVNULL)

        subprocess.run(["git", "clone", "--quiet", str(folder), str(copy)], check=True)
        git("checkout", "--quiet", "-B", "main")
        git("checkout", "--quiet", "-b", "edited")
        with (copy / EDITED).open("a") as file:
            file.write("\n\ndef changed(command):\n    unused = eval(command)\n")
        git("commit", "--quiet", "-am", "one file is changed")
        yield copy


def analysed(folder: Path) -> dict[str, Any]:
    """The two looks in the image, limited to one CPU as a pod of the queue's small class is."""
    script = ROOT / "bench/in_image.py"
    with edited(folder) as copy, GitServer.serving(copy.parent) as server:
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
    rss = max(run[each] for run in runs for each in ("rss_mb", "rss_second_mb"))
    second = min(float(run["second_look_s"]) for run in runs)
    same = all(run["second_look_same"] for run in runs)
    result = {
        **best,
        "second_look_s": second,
        "second_look_same": same,
        "rss_mb": rss,
        "vs_pylint": round(pylint / best["seconds"], 1),
        "pylint_s": round(pylint, 1),
        "calibration_s": calibration,
        "load": round(os.getloadavg()[0], 1),
        "within": best["seconds"] <= MAX_SECONDS and second <= MAX_SECOND_LOOK and same and rss < MAX_RSS_MB,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

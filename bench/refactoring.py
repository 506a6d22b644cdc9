"""`make bench-refactoring`: all operations in one job on three real repositories, and one that its tests decide on.

Each is done by the real runner as its pod starts it. Then its own result is refactored again, and nothing may change.
The repositories are source distributions, committed locally; only the tests of the last one are run, in a real sandbox.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.calibration import calibration_s
from bench.pods import Ended, Services, source_distribution

MAX_SECONDS: Final = 600
"""The queue's SLA."""
OPERATIONS: Final[Mapping[str, Any]] = {
    "extract": {"over": 15},
    "modernize": "3.11",
    "fix": ["SIM", "PIE", "C4", "PERF", "RET"],
    "imports": ["sort", "remove-unused"],
}
REPOSITORIES: Final = {
    "celery-5.5.3": ("celery.utils.text.indent", "indented"),
    "sphinx-9.0.4": ("sphinx.util.osutil.ensuredir", "make_sure_of_folder"),
    "networkx-3.5": ("networkx.utils.misc.flatten", "flattened"),
}
"""Name and version -> a symbol that much of it uses, and a new name."""
TESTED: Final = "boltons-25.0.0"
REQUIREMENTS: Final = "requirements-test.txt"
"""Of the last one: its tests want another pytest than the sandbox has."""
INDEX: Final = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")


def refactored(services: Services, folder: Path, symbol: str, to: str) -> dict[str, Any]:
    """All operations on one repository, and all but the renaming on what came of it."""
    ended = services.ran("refactoring", {"rename": {"symbol": symbol, "to": to}, **OPERATIONS}, folder)
    print(f"{folder.name}, now again: {json.dumps(figures(ended))}", file=sys.stderr, flush=True)
    with patched(folder, ended) as result:
        again = services.ran("refactoring", dict(OPERATIONS), result)
    return {**figures(ended), "again": again.summary["changes"]["total"]}


def tested(services: Services, folder: Path) -> dict[str, Any]:
    """All operations but the renaming, of which the repository's tests decide what is kept."""
    config = {**OPERATIONS, "verify": {"pytest": True, "install": [REQUIREMENTS]}}
    ended = services.ran_with_sandbox("refactoring", config, folder, INDEX)
    told = ended.summary["tests"]
    runs = {moment: told[moment]["counts"] for moment in ("before", "after") if moment in told}
    tests = {name: told[name] for name in ("status", "message", "runs", "files") if name in told}
    return {**figures(ended), "tests": {**tests, **runs}, "sandbox": ended.sandbox}


def figures(ended: Ended) -> dict[str, Any]:
    """What was done and left, and what it took."""
    summary, listed = ended.summary, json.loads(ended.artifacts["changes.json"])
    complexity = summary["complexity"]
    return {
        **ended.used,
        "stages": dict(ended.stages),
        "files": summary["files"]["looked"],
        "changed": summary["files"]["changed"],
        "changes": summary["changes"]["byOperation"],
        "dropped": reasons(listed["dropped"]),
        "findings": [summary["findings"]["before"], summary["findings"]["after"]],
        "hard": [complexity["before"]["hard"], complexity["after"]["hard"]],
        "patch_kb": round(summary["patch"].get("bytes", 0) / 1000),
        "notes": {note["code"]: note["count"] for note in summary["notes"]},
    }


def reasons(dropped: list[dict[str, Any]]) -> dict[str, int]:
    """How often each reason was given, without what it says of the place."""
    return dict(Counter(f"{each['operation']}: {_reason(each['why'])}" for each in dropped).most_common())


def _reason(why: str) -> str:
    sentence = re.sub(r"^Complexity \d+: ", "", why)
    sentence = re.sub(r"it uses \w+", "it uses a name", sentence)
    return re.sub(r"\d[\d,]*", "N", re.split(r"[:;(]", sentence)[0]).strip()


@contextmanager
def patched(folder: Path, ended: Ended) -> Iterator[Path]:
    """A copy of the repository with the patch applied by git, and committed. What compiled before still must."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)

        def git(*arguments: str, stdin: bytes = b"") -> bytes:
            as_somebody = ("-c", "user.name=bench", "-c", "user.email=bench@bench.example")
            command = ["git", "-C", str(copy), *as_somebody, *arguments]
            return subprocess.run(command, check=True, input=stdin, stdout=subprocess.PIPE).stdout

        git("clone", "--quiet", str(folder), ".")
        git("apply", "--index", "--whitespace=nowarn", stdin=ended.artifacts["changes.patch"])
        git("commit", "--quiet", "--message", "refactored")
        for name in git("diff", "--name-only", "-z", "HEAD~1").decode().split("\0")[:-1]:
            if _compiles((folder / name).read_bytes()) and not _compiles((copy / name).read_bytes()):
                raise SystemExit(f"{name} no longer compiles")
        yield copy


def _compiles(body: bytes) -> bool:
    """For this Python; some tests of a repository are for newer ones."""
    try:
        compile(body, "a file", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def main() -> None:
    """Measure all, or the repositories that argv names; print one JSON object as the last line."""
    wanted = sys.argv[1:] or [*REPOSITORIES, TESTED]
    result: dict[str, Any] = {}
    with Services.up() as services:
        for name in wanted:
            if name == TESTED and os.geteuid() != 0:
                print("not measured: a sandbox of another UID needs root", file=sys.stderr)
                continue
            folder = source_distribution(name)
            found = tested(services, folder) if name == TESTED else refactored(services, folder, *REPOSITORIES[name])
            result[name] = found
            print(f"{name}: {json.dumps(found)}", file=sys.stderr, flush=True)
    last = {
        "slowest_s": max(each["seconds"] for each in result.values()),
        "slowest_cpu_s": max(each["cpu_s"] for each in result.values()),
        "rss_mb": max(each["rss_mb"] for each in result.values()),
        "calibration_s": calibration_s(source_distribution("sphinx-9.0.4")),
        "load": round(os.getloadavg()[0], 1),
    }
    within = last["slowest_s"] <= MAX_SECONDS and not any(each.get("again") for each in result.values())
    print(json.dumps({**result, **last, "within": within}))


if __name__ == "__main__":
    main()

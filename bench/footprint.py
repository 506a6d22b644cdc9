"""What a program and all that it starts use: `python -P footprint.py FILE WORK PROGRAM...` runs it and writes FILE.

Memory is looked at 20 times a second, processor time is what the kernel counted. Standard library only, for the
environment is that of what is measured.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 0.05
_FOLDER_EVERY: Final = 20
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Footprint:
    """Highest values so far, in bytes; `by_program` is the highest of one process, as the kernel remembers it."""

    resident: int = 0
    """Of all processes together. Pages that several share count for each, so it is no less than a pod needs."""
    anonymous: int = 0
    """The part of it that only they hold: what a memory limit can't take back."""
    files: int = 0
    """What lies in the folder that is looked at, on its disk or in memory."""
    by_program: dict[str, int] = field(default_factory=dict)

    def look(self, root: int, files: int = 0) -> None:
        """Look at the process `root` and all its descendants; `files` are bytes that were found in its folder."""
        resident = anonymous = 0
        for pid in family(root):
            with suppress(OSError, KeyError, ValueError):  # it has ended meanwhile
                sizes = _sizes(pid)
                resident += sizes["VmRSS"]
                anonymous += sizes["RssAnon"] + sizes["RssShmem"]
                name = _program(pid)
                self.by_program[name] = max(self.by_program.get(name, 0), sizes["VmHWM"])
        self.resident = max(self.resident, resident)
        self.anonymous = max(self.anonymous, anonymous)
        self.files = max(self.files, files)

    def document(self) -> dict[str, Any]:
        """Megabytes."""
        by_program = sorted(self.by_program.items(), key=lambda each: -each[1])
        return {
            "rss_mb": _mb(self.resident),
            "anon_mb": _mb(self.anonymous),
            "files_mb": _mb(self.files),
            "hwm_mb": {name: _mb(size) for name, size in by_program},
        }


class Watch(threading.Thread):
    """Looks at a running process, and the file system that is its own, as long as it is entered."""

    def __init__(self, root: int, volume: Path) -> None:
        super().__init__(daemon=True)
        self.footprint = Footprint()
        self._root = root
        self._volume = volume
        self._over = threading.Event()

    def run(self) -> None:
        """Until it is left."""
        while not self._over.wait(SECONDS):
            self.footprint.look(self._root, shutil.disk_usage(self._volume).used)

    def __enter__(self) -> Footprint:
        self.start()
        return self.footprint

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def family(root: int) -> Iterator[int]:
    """A process and all that descend from it; a runner and a sandbox adopt their orphans, so none escapes."""
    yield root
    for children in Path(f"/proc/{root}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Of a running process and of all its children that it has waited for."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, numbers[11:15])) / _TICKS


def _sizes(pid: int) -> dict[str, int]:
    """Bytes by the kernel's own words."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}


def _program(pid: int) -> str:
    """Python programs by their module or file, others by their name."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    if not words:
        raise ValueError(pid)
    if not Path(words[0]).name.startswith("python"):
        return Path(words[0]).name[:60]
    named = next((word for before, word in pairwise(words) if before == "-m"), "")
    return (named or next((Path(word).name for word in words[1:] if not word.startswith("-")), "python"))[:60]


def _disk(folder: Path) -> int:
    """Blocks of all files in it."""
    total = 0
    for where, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(f"{where}/{name}").st_blocks * 512
    return total


def _mb(size: int) -> int:
    return round(size / 1e6)


def main() -> int:
    """Run the program to its end; its exit code."""
    target, work, *command = sys.argv[1:]
    seen, begun, looks = Footprint(), time.perf_counter(), 0
    with subprocess.Popen(command) as child:
        while child.poll() is None:
            seen.look(child.pid, _disk(Path(work)) if looks % _FOLDER_EVERY == 0 else 0)
            looks += 1
            time.sleep(SECONDS)
    wall = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    figures = {"seconds": round(wall, 1), "cpu_s": round(cpu, 1), "cpu_per_second": round(cpu / wall, 2)}
    Path(target).write_text(json.dumps({**figures, **seen.document()}))
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())

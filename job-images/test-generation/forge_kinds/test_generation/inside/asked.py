"""A request as the runner wrote it, and children that are watched while they work on it."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

PATIENCE: Final = 3
_TICK: Final = 0.05
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LINE: Final = 2000
_TOLD_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """`roots` and `packages` are folders for sys.path; all other paths are relative to the tree, which is the cwd."""

    what: str
    seconds: float
    quiet: float
    """Seconds of its own processor time, or PATIENCE times as many by the clock, in which a child comes no further."""
    roots: tuple[str, ...]
    packages: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """As it was written."""
        return cls(
            document["what"], document["seconds"], document["quiet"], tuple(document["roots"]), document["packages"],
            document["options"],
        )  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """A child that is over. `told` is what it left as its result, None when it left none."""

    code: int | None
    """None when it was ended by us."""
    told: Any
    steps: tuple[str, ...]
    """What it said that it began, the last one last."""
    printed: str

    @property
    def how(self) -> str:
        """For a reader."""
        end = "was ended, for it took too long" if self.code is None else f"ended with code {self.code}"
        last = self.printed.strip().rpartition("\n")[2][:300]
        return f"{end}: {last}" if last else end


class Child:
    """The children of one request: started one after the other, until the time is over."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._until = time.monotonic() + asked.seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - time.monotonic()

    def run(self, module: str, options: Mapping[str, Any], variables: Mapping[str, str] = {}) -> Ended:
        """One module of this package as a program, which writes steps and its result to files that it is told."""
        folder = Path(tempfile.mkdtemp(prefix="forge-"))
        request, steps, result = folder / "request", folder / "steps", folder / "result"
        steps.touch()
        told = {"roots": self._asked.roots, "packages": self._asked.packages, **options}
        request.write_text(json.dumps({**told, "steps": str(steps), "result": str(result)}))
        command = [sys.executable, "-P", "-m", f"forge_kinds.test_generation.inside.{module}", str(request)]
        with subprocess.Popen(
            command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        ) as child:  # fmt: skip
            printed: deque[bytes] = deque(maxlen=200)
            reading = threading.Thread(target=_read, args=(child.stdout, printed), daemon=True)
            reading.start()
            code = self._watched(child, steps)
            reading.join(2)
            tail = b"".join(printed)[-4 * _LINE :].decode(errors="replace")
            return Ended(code, _told(result), tuple(steps.read_text(errors="replace").split("\n")[:-1]), tail)

    def _watched(self, child: "subprocess.Popen[bytes]", steps: Path) -> int | None:
        quiet = self._asked.quiet
        size, since, used = 0, time.monotonic(), 0.0
        while (code := child.poll()) is None:
            now, cpu = time.monotonic(), _cpu(child.pid)
            if (new := steps.stat().st_size) != size:
                size, since, used = new, now, cpu
            if cpu - used > quiet or now - since > PATIENCE * quiet or now > self._until:
                _kill(child)
                return None
            time.sleep(_TICK)
        _kill(child)
        return code


def _cpu(pid: int) -> float:
    """Seconds that a process used; a busy machine gives it few, and it is not to blame."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """The whole of its process group; whoever left it is ended with the order."""
    try:
        os.killpg(child.pid, 9)
    except (ProcessLookupError, PermissionError):
        return
    child.wait()


def _read(stream: IO[bytes] | None, printed: "deque[bytes]") -> None:
    while stream and (line := stream.readline(_LINE)):
        printed.append(line)


def _told(result: Path) -> Any:
    try:
        with result.open("rb") as stream:
            return json.loads(stream.read(_TOLD_BYTES))
    except (OSError, ValueError, RecursionError):
        return None

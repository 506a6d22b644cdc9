"""What a test reaches beyond its own memory: the clock, files that it changes, other programs, the network.

Such a test passes today and fails on another day or machine, or harms it. Told by Python's audit events, and for the
clock by calls of it from the repository's own code: where none of that code names a clock, no call need be looked at,
which would make property tests several times as slow.
"""

import os
import sys
import types
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

_CHANGES: Final = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
     "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.chown", "tempfile.mkstemp",
     "tempfile.mkdtemp", "os.chdir"}
)  # fmt: skip
_PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.kill",
     "os.killpg", "pty.spawn"}
)  # fmt: skip
_NETWORK: Final = frozenset(
    {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
     "socket.gethostname", "urllib.Request"}
)  # fmt: skip
_WRITES: Final = frozenset("wax+")
_WRITING_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CLOCK: Final = frozenset({"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "now", "today", "utcnow"})


class Watch:
    """Looks at this process from `begin` to `end`. An audit hook can't be taken away, so there is one for all."""

    def __init__(self, tree: Path) -> None:
        self._tree = f"{tree}/"
        found = find_spec("hypothesis")
        self._hypothesis = str(Path(found.origin).parent) if found and found.origin else "\0"
        self._looking = False
        self._names_a_clock = False
        self._effect = ""
        sys.addaudithook(self._audited)

    def begin(self) -> None:
        """From here on."""
        self._effect, self._looking = "", True
        if self._names_a_clock:
            sys.setprofile(self._called)

    def end(self) -> str:
        """The first effect that was seen, "" for none."""
        if self._names_a_clock:
            sys.setprofile(None)
        self._looking = False
        return self._effect

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            self._begins(arguments[0])
        if not self._looking or self._effect:
            return
        effect = _effect(event, arguments)
        if effect and self._is_the_tests():
            self._effect = effect

    def _begins(self, code: object) -> None:
        """A module, or other code, is about to be run for the first time."""
        if self._names_a_clock or not isinstance(code, types.CodeType) or not code.co_filename.startswith(self._tree):
            return
        self._names_a_clock = _names_a_clock(code)
        if self._names_a_clock and self._looking:
            sys.setprofile(self._called)

    def _is_the_tests(self) -> bool:
        """Whether a test or what it tests did it, and not hypothesis, which keeps files of its own."""
        frame: types.FrameType | None = sys._getframe(2)  # noqa: SLF001 - the way to a caller
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self._hypothesis):
                return False
            if file.startswith(self._tree):
                return True
            frame = frame.f_back
        return False

    def _called(self, frame: types.FrameType, event: str, called: Any) -> None:
        if event != "c_call" or self._effect or not frame.f_code.co_filename.startswith(self._tree):
            return
        if getattr(called, "__name__", "") in _CLOCK and _tells_time(called):
            self._effect = f"it depends on the clock ({called.__name__})"


def _names_a_clock(code: types.CodeType) -> bool:
    """Whether it or a function in it names what clocks are called. One that is put together at run time is missed."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return not _CLOCK.isdisjoint(code.co_names) or any(map(_names_a_clock, inner))


def _effect(event: str, arguments: tuple[Any, ...]) -> str:
    if event == "open":
        return "it writes files (open)" if _opens_for_writing(arguments) else ""
    if event in _CHANGES:
        return f"it changes files ({event})"
    if event in _PROGRAMS:
        return f"it starts or ends programs ({event})"
    return f"it uses the network ({event})" if event in _NETWORK else ""


def _opens_for_writing(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = arguments
    if not isinstance(path, str | bytes | os.PathLike):
        return False  # a descriptor that was open before
    if isinstance(mode, str):
        return not _WRITES.isdisjoint(mode)
    return isinstance(flags, int) and bool(flags & _WRITING_FLAGS)


def _tells_time(called: Any) -> bool:
    owner = getattr(called, "__self__", None)
    return getattr(called, "__module__", None) == "time" or (isinstance(owner, type) and issubclass(owner, date))

"""The real sandbox program as its container would have it: first of its own processes, another UID, no rights.

A namespace of processes stands for the container, a file system in memory for the volume. Both need root.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from forge_runner.sandbox import Sandbox
from tests.conftest import ROOT

UID = 200_000 + os.getpid() % 100_000
"""Of each session its own: a UID's processes are counted together, whatever started them."""
VOLUME_MEBIBYTES = 64
INODES_PER_MEBIBYTE = 312


@dataclass
class SandboxServer:
    """A running sandbox and the volume that it shares with us."""

    volume: Path
    process: subprocess.Popen[bytes]

    def connected(self) -> AbstractContextManager[Sandbox]:
        """A connection, as a runner's attempt has one."""
        return Sandbox.connected(self.volume, 120)

    def others(self) -> list[str]:
        """Command lines of all processes in there but itself."""
        found = []
        own = {Path(f"/proc/{child}/ns/pid").readlink() for child in _children(self.process.pid)}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if (folder / "ns/pid").readlink() in own and line and "forge_sandbox" not in line:
                        found.append(line)
        return found


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def python() -> str:
    """A Python that every user may run, of this one's version or the system's own."""
    own = Path(sys.executable).resolve()
    readable = all(folder.stat().st_mode & 0o001 for folder in own.parents)
    return str(own) if readable else "/usr/bin/python3"


def _programs(folder: Path) -> Path:
    """A folder for PATH with `python`, which has pytest and the programs of kinds, as that of a sandbox's image has."""
    kinds = [str(each.parent) for each in sorted(ROOT.glob("job-images/*/forge_kinds"))]
    packages = ":".join(
        [str(Path(pytest.__file__).parent.parent), str(ROOT / "core"), str(ROOT / "job-images"), *kinds]
    )
    packages += f":{_tables(packages)}"
    script = folder / "python"
    plain = "PYTEST_ADDOPTS='-p no:schemathesis'"  # a plugin that no image has, and that takes long to import
    script.write_text(f'#!/bin/sh\n{plain} PYTHONPATH={packages} exec {python()} "$@"\n')
    script.chmod(0o755)
    folder.chmod(0o755)
    return folder


def _tables(packages: str) -> Path:
    """What the image of test generations brings besides; made once for all tests."""
    made = ROOT / ".local/tables"
    if not made.is_dir():
        made.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as place:
            new = Path(place, "new")
            command = [python(), "-P", "-m", "forge_kinds.test_generation.inside.tables", str(new)]
            subprocess.run(command, cwd=place, env={**os.environ, "PYTHONPATH": packages}, check=True)
            with suppress(OSError):  # others have made them meanwhile
                new.rename(made)
    return made


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the sandbox and with it all that lives there: unshare, which waits for it, would leave it behind."""
    for child in _children(process.pid):
        os.kill(child, signal.SIGKILL)
    process.wait(120)


@contextmanager
def sandbox_server(
    environment: dict[str, str] | None = None, mebibytes: int = VOLUME_MEBIBYTES
) -> Iterator[SandboxServer]:
    """Start one with a volume of this size, and end it. Skips where it can't be had."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a sandbox of another UID needs root, and util-linux: run these tests as root or in CI")
    volume = Path(tempfile.mkdtemp(prefix="sandbox-", dir="/tmp"))
    options = f"size={mebibytes}m,mode=3777,nr_inodes={INODES_PER_MEBIBYTE * mebibytes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", volume], check=True)
    command = [
        "unshare", "--pid", "--fork", "--mount-proc",
        "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
        python(), "-P", "-m", "forge_sandbox", str(volume),
    ]  # fmt: skip
    path = f"{ROOT / 'core'}:{ROOT / 'job-images'}"
    programs = _programs(Path(tempfile.mkdtemp(prefix="sandbox-programs-", dir="/tmp")))
    variables = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": path, **(environment or {})}
    process = subprocess.Popen(command, env=variables, cwd="/", start_new_session=True)
    try:
        yield SandboxServer(volume, process)
    finally:
        _end(process)
        subprocess.run(["umount", "--lazy", volume], check=True)
        volume.rmdir()
        shutil.rmtree(programs)

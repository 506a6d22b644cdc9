"""A runner's process and the pod that the cluster takes it for: waiting for what it says, and doing away with it."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.builders.api import RunnerPod
from tests.integration.runner.pods import Pod
from tests.services.waiting import eventually

SECONDS = 60.0
"""For whatever is waited for: an attempt on a busy machine."""


@dataclass
class LivePod:
    """A runner's process, and the pod that the cluster takes it for."""

    runner: Pod
    identity: RunnerPod

    async def end(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.runner.end)

    async def says(self, words: str) -> None:
        """Wait until it has printed that."""
        await until(lambda: words in self.runner.output, f"the runner says {words!r}")

    async def comes_to(self, stage: str) -> None:
        """Wait until it has told that its newest attempt is in that stage."""
        told = f" % {stage}\n"
        await until(lambda: told in self.runner.output.rpartition(" % starting\n")[2], f"the runner tells of {stage}")

    def signal(self, number: signal.Signals) -> None:
        """To the runner alone."""
        assert self.runner.process
        self.runner.process.send_signal(number)

    def kill_work(self) -> None:
        """As the kernel would kill it: the kind's process, not the runner."""
        assert self.runner.process
        runner = self.runner.process.pid
        [child] = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)

    @property
    def living(self) -> list[str]:
        """Processes that work in its folder, by their PID."""
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(self.runner.folder / "work"):
                    found.append(process.name)
        return found


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for it."""

    async def look() -> object:
        return condition()

    await eventually(look, SECONDS, what)

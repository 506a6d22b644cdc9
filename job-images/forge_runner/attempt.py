"""One attempt: an empty work folder, one process of the kind, and a verdict on how it ended."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_core.durations import format_duration
from forge_core.exits import FailureClass
from forge_runner import memory
from forge_runner.ahead import Ahead
from forge_runner.pipe import Failed, Finished, Progressed
from forge_runner.process import COMMAND, Folders, Heard, Order
from forge_runner.process import run as run_process
from forge_runner.result_files import StoredResult, Unfit, read_result
from forge_runner.retrying import Failure

_REMOVE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Surroundings:
    """Where an attempt runs."""

    work_path: Path
    cgroup_path: Path
    kill_grace: float
    command: Sequence[str] = COMMAND
    ahead: Ahead | None = None
    handed_on: Mapping[str, str] = field(default_factory=dict)
    """Variables that the kind may see besides those that all do."""

    def handing_on(self, name: str, file: Path) -> "Surroundings":
        """The same, and the kind is told where `file` is."""
        return replace(self, handed_on={**self.handed_on, name: str(file)})


@dataclass(frozen=True)
class Ears:
    """Where progress and lines go as they come."""

    on_progress: Callable[[Progressed], None]
    on_log: Callable[[str], None]


async def run_attempt(assignment: Assignment, around: Surroundings, ears: Ears, folder: Path) -> StoredResult | Failure:
    """Run one attempt in `folder`, which must not exist. Cancelling it ends all its processes."""
    folders = Folders(folder / "work", folder / "out", folder / "tmp")
    heard = Heard(ears.on_progress, ears.on_log)
    kills = memory.oom_kills(around.cgroup_path)
    try:
        for each in (folders.work, folders.out, folders.tmp):
            each.mkdir(parents=True)
        encoded, grace = assignment.encode(), around.kill_grace
        order = Order(encoded, folders, grace, around.command, around.ahead, around.handed_on)
        code = await run_process(order, assignment.timeout, heard)
    except OSError as error:
        return Failure(FailureClass.TRANSIENT, f"The attempt could not be started: {error.strerror or error}.")
    if heard.misfits:
        ears.on_log(f"{heard.misfits} lines of the attempt's report were not understood and passed over")
    verdict = _verdict(code, heard, assignment, folders)
    starved = memory.oom_kills(around.cgroup_path) > kills
    if starved and isinstance(verdict, Failure) and verdict.failure_class.retryable:
        return Failure(FailureClass.OUT_OF_MEMORY, _memory_sentence(around.cgroup_path))
    return verdict


def _verdict(code: int | None, heard: Heard, assignment: Assignment, folders: Folders) -> StoredResult | Failure:
    if code is None:
        limit = format_duration(assignment.timeout)
        return Failure(FailureClass.TIMEOUT, f"The attempt ran over its limit of {limit}.")
    if isinstance(heard.last, Failed):
        return Failure(heard.last.failure_class, heard.last.message, heard.last.account, heard.last.wait)
    if isinstance(heard.last, Finished) and code == 0:
        try:
            return read_result(folders.out)
        except Unfit as error:
            return Failure(FailureClass.PERMANENT, f"The result can't be stored: {error}.")
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return Failure(FailureClass.TRANSIENT, f"The attempt's process {how} before it had finished.")


def _memory_sentence(cgroup: Path) -> str:
    limit = memory.limit_bytes(cgroup)
    of = f" of {limit // (1024 * 1024)} MiB" if limit else ""
    return f"The attempt ran out of the pod's memory{of}: choose a larger resourceClass."


async def remove(folder: Path) -> None:
    """Remove a folder that a stranger's repository filled: `rm` takes any depth of nesting, Python's own doesn't."""
    if not folder.exists():
        return
    remover = await asyncio.create_subprocess_exec(
        shutil.which("rm") or "/bin/rm", "-rf", "--", str(folder), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_REMOVE_SECONDS):
            await remover.wait()
    except TimeoutError:
        remover.kill()
        await remover.wait()

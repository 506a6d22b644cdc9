"""Puts a runner together from what its pod was given, and leaves exit code and last words."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from forge_core.assignment import Assignment
from forge_core.ending import ended
from forge_core.exits import Exit, FailureClass
from forge_core.maintenance import CLEANUP
from forge_core.messages import Termination
from forge_core.names import API_URL_ENV, TERMINATION_PATH, TOKEN_PATH_ENV
from forge_runner import last_words
from forge_runner.ahead import Ahead
from forge_runner.attempt import Surroundings
from forge_runner.child import attempt
from forge_runner.internal_api import InternalApi
from forge_runner.joblog import Cleaner
from forge_runner.kinds import KINDS, Kind
from forge_runner.process import COMMAND
from forge_runner.reaping import adopt_orphans
from forge_runner.reporting import Reporter, Sink
from forge_runner.settings import Settings
from forge_runner.shell import Ending, Shell
from forge_runner.telling import Teller

if TYPE_CHECKING:
    from forge_core.progress import Progress

_LAST_FLUSH: Final = 2.0


def main(command: Sequence[str] = COMMAND, kinds: Mapping[str, Kind] = KINDS) -> int:
    """Run to the end and return the exit code.

    `kinds` are those of the first attempt's process; those after it are `command`, given their arguments.
    """
    with Ahead.fork(partial(attempt, kinds)) as ahead:
        try:
            settings = Settings.read(os.environ)
            assignment = Assignment.decode(settings.assignment)
        except ValueError as error:
            words = Termination(failure_class=FailureClass.PERMANENT, message=f"The pod can't be used: {error}.")
            print(words.message, flush=True)  # noqa: T201 - the pod's log
            last_words.write(_termination_path(), words)
            return Exit.PERMANENT
        adopt_orphans()
        work, cgroup, handed_on = settings.work_path, settings.cgroup_path, _handed_on(settings, assignment)
        around = Surroundings(work, cgroup, settings.kill_grace, command, ahead, handed_on)
        ending = asyncio.run(_live(settings, assignment, around))
    print(f"runner ended: {ending.exit.name.lower()}: {ending.words.message}", flush=True)  # noqa: T201
    last_words.write(settings.termination_path, ending.words)
    return ending.exit


async def _live(settings: Settings, assignment: Assignment, around: Surroundings) -> Ending:
    async with (
        InternalApi.connect(settings.api_url, settings.token_path) as api,
        _reporting(settings, assignment) as reporter,
    ):
        teller = Teller(Cleaner((*settings.secrets(), settings.redis_password)), reporter)
        shell = Shell(assignment, settings, api, teller, around)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, shell.stopping.set)
        return await shell.run()


@asynccontextmanager
async def _reporting(settings: Settings, assignment: Assignment) -> AsyncIterator[Reporter | None]:
    """A reporter that runs beside the work and tells the last state before it goes; None when there is no Redis."""
    if not settings.redis_url:
        yield None
        return
    password = settings.redis_password
    async with AsyncExitStack() as stack:

        async def connect() -> Sink:
            progress = await asyncio.to_thread(_progress)
            return await stack.enter_async_context(
                progress.connect(settings.redis_url, settings.redis_username, password)
            )

        reporter = Reporter(connect, assignment.tenant, assignment.uid, min(settings.heartbeat, assignment.heartbeat))
        if not settings.silent:
            await reporter.prepare()
        running = asyncio.ensure_future(reporter.run(settings.silent))
        try:
            yield reporter
        finally:
            await ended(running)
            await reporter.flush(_LAST_FLUSH)


def _progress() -> "type[Progress]":
    from forge_core.progress import Progress  # noqa: PLC0415 - slow to import, and not always needed

    return Progress


def _handed_on(settings: Settings, assignment: Assignment) -> dict[str, str]:
    """Only a clean-up speaks to the API itself: it runs nobody's code."""
    if assignment.kind != CLEANUP:
        return {}
    return {API_URL_ENV: settings.api_url, TOKEN_PATH_ENV: str(settings.token_path)}


def _termination_path() -> Path:
    return Path(os.environ.get("FORGE_TERMINATION_PATH", TERMINATION_PATH))

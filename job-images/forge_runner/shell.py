"""The runner's course: claim an attempt, run it, store how it ended, and go on as the queue's retry rule says.

It ends with an exit code that is true (forge_core.exits) and with last words, whatever becomes of Redis or the API.
"""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from forge_core.assignment import Assignment
from forge_core.attempts import Claim
from forge_core.exits import Exit, FailureClass
from forge_core.messages import Termination
from forge_core.names import BASELINE_PATH_ENV, CACHE_PATH_ENV
from forge_runner.attempt import Ears, Surroundings, remove, run_attempt
from forge_runner.caching import Caching
from forge_runner.internal_api import AlreadyDone, Away, Exhausted, Fenced, InternalApi, Refused
from forge_runner.joblog import JobLog
from forge_runner.patience import within
from forge_runner.pipe import MAX_MESSAGE, Progressed
from forge_runner.result_files import StoredResult, Unfit
from forge_runner.retrying import Again, Failure, after
from forge_runner.settings import Settings
from forge_runner.telling import Teller
from forge_runner.upload import SAVING, SAVING_FROM, Save, save_failure, save_result

T = TypeVar("T")
FENCED_WORDS: Final = "Another attempt has taken over, or the job is over."
STOPPED_WORDS: Final = "The pod was asked to stop before the attempt had ended."


class Stopped(Exception):
    """SIGTERM has come, and what was being waited for had not ended within its time."""


@dataclass(frozen=True)
class Ending:
    """The exit code and the last words."""

    exit: Exit
    words: Termination


@dataclass(frozen=True)
class _Running:
    """An attempt that was claimed."""

    claim: Claim
    log: JobLog
    folder: Path


@dataclass
class Shell:
    """Runs one assignment to the end of this pod. `stopping` is set by SIGTERM."""

    assignment: Assignment
    settings: Settings
    api: InternalApi
    teller: Teller
    around: Surroundings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    claimed: int = 0
    """The attempt that this pod claimed last, 0 while there is none."""
    last_failure: Failure | None = None

    async def run(self) -> Ending:
        """The whole course. Never raises for what the world does."""
        try:
            return await self._attempts()
        except Stopped:
            exit_code = Exit.INTERRUPTED if self.claimed else Exit.BEFORE_CLAIM
            return self._ending(exit_code, Failure(FailureClass.DISRUPTION, STOPPED_WORDS))
        except Fenced:
            return self._ending(Exit.INTERRUPTED, None, FENCED_WORDS)
        except AlreadyDone as error:
            self.teller.state("done", 100.0)
            return self._ending(Exit.SUCCEEDED, None, str(error))
        except Exhausted as error:
            return self._ending(Exit.EXHAUSTED, self.last_failure, self._spent(str(error)))

    async def _attempts(self) -> Ending:
        owed = 0.0
        for number in count(1):
            try:
                claim = await self._unless_stopped(self._claim(number))
            except Away as error:
                return self._ending(Exit.BEFORE_CLAIM, None, f"No attempt could be claimed: {error}.")
            except Refused as error:  # another pod would hear the same
                refused = Failure(FailureClass.PERMANENT, f"No attempt could be claimed: {error}.")
                return self._ending(Exit.PERMANENT, refused)
            await self._pause(owed)
            follows = await self._attempt(_Running(claim, self.teller.begin(claim), self._folder(claim)))
            if isinstance(follows, Ending):
                return follows
            await remove(self._folder(claim))  # the last attempt's goes with the pod
            owed = 0.0 if follows.likely else follows.pause
            await self._pause(follows.pause - owed)
        raise AssertionError("counting never ends")

    async def _claim(self, number: int) -> Claim:
        allowance = self.settings.claim_allowance
        claim = await within(allowance, lambda: self.api.claim(number), self._waiting_for_the_api)
        self.claimed = claim.attempt
        return claim

    async def _attempt(self, running: "_Running") -> Ending | Again:
        """One attempt, and what follows from it."""
        try:
            ended = await self._unless_stopped(self._worked(running))
        except Stopped:
            ended = Failure(FailureClass.DISRUPTION, STOPPED_WORDS)
        if isinstance(ended, Failure):
            return await self._failed(running, ended)
        return await self._save(running, ended)

    async def _worked(self, running: "_Running") -> StoredResult | Failure:
        """What the kind brought; before it, what its job names of another one is fetched."""
        around = self.around
        if self.assignment.names_baseline:
            file = self.settings.work_path / f"baseline-{running.claim.attempt}"
            call = partial(self.api.get_baseline, running.claim.attempt, file)
            try:
                await within(self.settings.claim_allowance, call, self._waiting_for_the_api)
            except Refused as error:
                return Failure(FailureClass.PERMANENT, f"The baseline could not be had: {error}")
            except Away as error:
                return Failure(FailureClass.TRANSIENT, f"The baseline could not be had: {error}.")
            except OSError as error:
                return Failure(FailureClass.TRANSIENT, f"The baseline could not be kept: {error.strerror or error}.")
            around = around.handing_on(BASELINE_PATH_ENV, file)
        if self.assignment.keeps_cache:
            file = self.settings.work_path / f"cache-{running.claim.attempt}"
            if await self._caching().fetched(running.claim.attempt, file):
                around = around.handing_on(CACHE_PATH_ENV, file)
        ears = Ears(self._progressed, running.log.add)
        return await run_attempt(self.assignment, around, ears, running.folder)

    async def _save(self, running: "_Running", result: StoredResult) -> Ending | Again:
        running.log.add(f"saving {len(result.artifacts)} artefacts")
        self.teller.state(SAVING, max(self.teller.percent, SAVING_FROM))
        try:
            log = await self._log_file(running)
            saving = save_result(self._saver(), running.claim.attempt, result, log)
            await self._unless_stopped(saving, self.settings.farewell)
        except (Away, Stopped) as error:
            why = str(error) or "the pod was asked to stop"
            return self._ending(Exit.NOT_SAVED, None, f"The work was done but could not be stored: {why}.")
        except (Refused, Unfit) as error:
            refused = Failure(FailureClass.PERMANENT, f"The result could not be stored: {error}.")
            return await self._failed(running, refused)
        except OSError as error:
            full = Failure(FailureClass.TRANSIENT, f"The result could not be stored: {error.strerror or error}.")
            return await self._failed(running, full)
        if result.cache is not None and self.assignment.keeps_cache:
            with suppress(Stopped):
                await self._unless_stopped(self._caching().store(running.claim.attempt, result.cache))
        self.teller.state("done", 100.0)
        self.teller.stored()
        return self._ending(Exit.SUCCEEDED, None, "The result is stored.")

    def _caching(self) -> Caching:
        return Caching(self.api, self.assignment.kind, self.teller.line)

    async def _failed(self, running: "_Running", failure: Failure) -> Ending | Again:
        self.last_failure = failure = replace(failure, message=self.teller.clean(failure.message, MAX_MESSAGE))
        stage, attempt = self.teller.stage, running.claim.attempt
        running.log.add(f"attempt {attempt} failed ({failure.failure_class}): {failure.message}")
        try:
            saving = save_failure(self._saver(), attempt, failure, stage, await self._log_file(running))
            await self._unless_stopped(saving, self.settings.farewell)
        except (Away, Refused, Unfit, OSError, Stopped) as error:
            self.teller.line(f"how attempt {attempt} ended could not be stored: {error or 'no time was left'}")
        else:
            self.teller.stored()
        follows = after(failure, running.claim, self.assignment.backoff, random.random())  # noqa: S311 - no secret
        return follows if isinstance(follows, Again) else self._ending(follows.exit, failure)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0 or self.last_failure is None:
            return
        self.teller.state("waiting", self.teller.percent, f"{self.last_failure.message} Next attempt in {seconds:g} s.")
        await self._unless_stopped(asyncio.sleep(seconds))

    async def _unless_stopped(self, work: Coroutine[Any, Any, T], grace: float = 0.0) -> T:
        """`work`'s answer. Once SIGTERM has come it has `grace` seconds left, then it is cancelled: Stopped."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() and grace:
                await asyncio.wait({doing}, timeout=grace)
        finally:
            stopping.cancel()
        if doing.done():
            return doing.result()
        doing.cancel()
        await asyncio.wait({doing})
        raise Stopped

    def _progressed(self, progressed: Progressed) -> None:
        """A percentage never falls within an attempt, and the last ones are the shell's to give."""
        percent = max(self.teller.percent, min(progressed.percent, SAVING_FROM))
        self.teller.state(progressed.stage, percent, progressed.message)

    def _saver(self) -> Save:
        def on_stored(done: int, total: int) -> None:
            if self.teller.stage == SAVING:
                self.teller.state(SAVING, SAVING_FROM + (99.0 - SAVING_FROM) * done / total)

        allowance = self.settings.save_allowance
        return Save(self.api, allowance, self._waiting_for_the_api, on_stored, self.teller.stages)

    def _waiting_for_the_api(self, why: str) -> None:
        self.teller.line(f"trying again: {why}")

    def _folder(self, claim: Claim) -> Path:
        return self.settings.work_path / f"attempt-{claim.attempt}"

    async def _log_file(self, running: "_Running") -> Path:
        path = self.settings.work_path / f"attempt-{running.claim.attempt}.log"
        try:
            path.write_bytes(running.log.text())
        except OSError:  # the attempt may have filled the volume: what it left is worth less than its log
            await remove(running.folder / "work")
            path.write_bytes(running.log.text())
        return path

    def _spent(self, said: str) -> str:
        """The last error: the operator says around it that the budget is spent."""
        return self.last_failure.message if self.last_failure else said

    def _ending(self, code: Exit, failure: Failure | None, message: str = "") -> Ending:
        words = Termination(
            attempt=self.claimed,
            failure_class=failure.failure_class if failure else None,
            message=self.teller.clean(message or (failure.message if failure else ""), MAX_MESSAGE),
            stage=self.teller.stage[:63],
        )
        return Ending(code, words)
